/* Slices, padding with zeros, parts of channels: out[y][x][c] = in[top + y step][left + x step][from[c]]; zero outside the image and
   where from[c] is -1. */
static void pick(int in_height, int in_width, int in_channels, int top, int left, int step_height, int step_width,
                 int out_height, int out_width, int out_channels, const short *from, const float *restrict in,
                 float *restrict out)
{
    for (int oy = 0; oy < out_height; oy++) {
        for (int ox = 0; ox < out_width; ox++, out += out_channels) {
            const int iy = top + oy * step_height, ix = left + ox * step_width;
            const int valid = iy >= 0 && iy < in_height && ix >= 0 && ix < in_width;
            const float *restrict pixel = valid ? in + (iy * in_width + ix) * in_channels : in;
            for (int c = 0; c < out_channels; c++) out[c] = valid && from[c] >= 0 ? pixel[from[c]] : 0.0f;
        }
    }
}
