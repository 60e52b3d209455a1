/* x[pixel][c] = x[pixel][c] * scale[c] + shift[c], clamped: a batch norm that no convolution could take in */
static void scale_shift(int pixels, int channels, float *restrict x, const float *restrict scale,
                        const float *restrict shift, float low, float high)
{
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < channels; c++) {
            x[p * channels + c] = clamped(x[p * channels + c] * scale[c] + shift[c], low, high);
        }
    }
}
