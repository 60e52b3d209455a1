/* Convolution by the weights that are not zero: of output channel o those from start[o] up to start[o + 1], each with how far from the
   window's first number lies what it multiplies. All windows lie inside the image. */
static void convolve_sparse(const window *s, const unsigned short *start, const unsigned short *offset,
                            const float *restrict in, const float *restrict weight, const float *restrict bias,
                            float *restrict out)
{
    for (int oy = 0; oy < s->out_height; oy++) {
        for (int ox = 0; ox < s->out_width; ox++, out += s->out_channels) {
            const float *restrict at = in + (oy * s->stride_height * s->in_width + ox * s->stride_width) * s->in_channels;
            for (int o = 0, k = 0; o < s->out_channels; o++) {
                float sum = bias[o];
                for (; k < start[o + 1]; k++) sum += at[offset[k]] * weight[k];
                out[o] = clamped(sum, s->low, s->high);
            }
        }
    }
}
