/* Convolution; weights lie as [output channel][kernel row][kernel column][input channel of the group], with `shift` digits behind the
   point. All windows lie inside the image. */
#define CONVOLVE(NAME, WEIGHT)                                                                                         \
    static void NAME(const window *s, const fixed *restrict in, const WEIGHT *weights, int shift,                      \
                     const fixed *restrict bias, fixed *restrict out)                                                  \
    {                                                                                                                  \
        const int step = s->groups * s->in_channels;                                                                   \
        for (int oy = 0; oy < s->out_height; oy++) {                                                                   \
            for (int ox = 0; ox < s->out_width; ox++) {                                                                \
                const fixed *at = in + (oy * s->stride_height * s->in_width + ox * s->stride_width) * step;            \
                const WEIGHT *weight = weights;                                                                        \
                for (int o = 0; o < s->groups * s->out_channels; o++) {                                                \
                    const fixed *first = at + o / s->out_channels * s->in_channels;                                    \
                    int64_t sum = (int64_t)bias[o] * ((int64_t)1 << shift);                                            \
                    for (int ky = 0; ky < s->kernel_height; ky++) {                                                    \
                        for (int kx = 0; kx < s->kernel_width; kx++, weight += s->in_channels) {                       \
                            const fixed *x = first + (ky * s->dilation_height * s->in_width + kx * s->dilation_width) * step; \
                            for (int i = 0; i < s->in_channels; i++) sum += (int64_t)x[i] * weight[i];                 \
                        }                                                                                              \
                    }                                                                                                  \
                    *out++ = rounded(sum, shift, s->low, s->high);                                                     \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
