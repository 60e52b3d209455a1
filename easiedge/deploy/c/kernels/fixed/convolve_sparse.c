/* Convolution by the weights that are not zero: of output channel o those from start[o] up to start[o + 1], each with how far from the
   window's first number lies what it multiplies. All windows lie inside the image. */
#define CONVOLVE_SPARSE(NAME, WEIGHT)                                                                                  \
    static void NAME(const window *s, const unsigned short *start, const unsigned short *offset,                       \
                     const fixed *restrict in, const WEIGHT *weight, int shift, const fixed *restrict bias,            \
                     fixed *restrict out)                                                                              \
    {                                                                                                                  \
        for (int oy = 0; oy < s->out_height; oy++) {                                                                   \
            for (int ox = 0; ox < s->out_width; ox++, out += s->out_channels) {                                        \
                const fixed *at = in + (oy * s->stride_height * s->in_width + ox * s->stride_width) * s->in_channels;  \
                for (int o = 0, k = 0; o < s->out_channels; o++) {                                                     \
                    int64_t sum = (int64_t)bias[o] * ((int64_t)1 << shift);                                            \
                    for (; k < start[o + 1]; k++) sum += (int64_t)at[offset[k]] * weight[k];                           \
                    out[o] = rounded(sum, shift, s->low, s->high);                                                     \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
