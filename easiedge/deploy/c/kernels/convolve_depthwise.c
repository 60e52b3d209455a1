/* Convolution of every channel by itself; weights lie as [kernel row][kernel column][channel]. */
static void convolve_depthwise(const window *s, const float *restrict in, const float *restrict weight,
                               const float *restrict bias, float *restrict out)
{
    const int channels = s->out_channels;
    for (int oy = 0; oy < s->out_height; oy++) {
        for (int ox = 0; ox < s->out_width; ox++, out += channels) {
            for (int c = 0; c < channels; c++) out[c] = bias[c];
            for (int ky = 0; ky < s->kernel_height; ky++) {
                const int iy = oy * s->stride_height - s->padding_top + ky * s->dilation_height;
                if (iy < 0 || iy >= s->in_height) continue;
                for (int kx = 0; kx < s->kernel_width; kx++) {
                    const int ix = ox * s->stride_width - s->padding_left + kx * s->dilation_width;
                    if (ix < 0 || ix >= s->in_width) continue;
                    const float *restrict pixel = in + (iy * s->in_width + ix) * channels;
                    const float *restrict w = weight + (ky * s->kernel_width + kx) * channels;
                    for (int c = 0; c < channels; c++) out[c] += pixel[c] * w[c];
                }
            }
            for (int c = 0; c < channels; c++) out[c] = clamped(out[c], s->low, s->high);
        }
    }
}
