/* The mean of equal parts of the image, as many as there are outputs: rows floor(i in / out) up to ceil((i + 1) in / out). */
static void pool_adaptive_average(int in_height, int in_width, int channels, int out_height, int out_width,
                                const fixed *restrict in, fixed *restrict out)
{
    for (int oy = 0; oy < out_height; oy++) {
        const int top = oy * in_height / out_height, bottom = ((oy + 1) * in_height + out_height - 1) / out_height;
        for (int ox = 0; ox < out_width; ox++, out += channels) {
            const int left = ox * in_width / out_width, right = ((ox + 1) * in_width + out_width - 1) / out_width;
            const int count = (bottom - top) * (right - left);
            for (int c = 0; c < channels; c++) {
                int64_t sum = 0;
                for (int iy = top; iy < bottom; iy++) {
                    for (int ix = left; ix < right; ix++) sum += in[(iy * in_width + ix) * channels + c];
                }
                out[c] = (fixed)((sum >= 0 ? sum + count / 2 : sum - count / 2) / count);
            }
        }
    }
}
