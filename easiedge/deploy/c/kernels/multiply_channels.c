/* x[pixel][c] *= factor[c]: squeeze and excitation */
static void multiply_channels(int pixels, int channels, float *restrict x, const float *restrict factor)
{
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < channels; c++) x[p * channels + c] *= factor[c];
    }
}
