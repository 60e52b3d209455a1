/* The channels of one part of a concatenation, into their place. */
static void join(int pixels, int channels, const float *restrict in, int out_channels, float *restrict out)
{
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < channels; c++) out[p * out_channels + c] = in[p * channels + c];
    }
}
