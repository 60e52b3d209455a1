/* Convolution. Output channels go in blocks of 8, the last few in a block of 4 (filled up with zero weights), so that the innermost
   loop runs over numbers that lie side by side and compilers make vector instructions of it; no sum is reordered for that.
   Weights lie as [group][block][kernel row][kernel column][input channel][8 or 4]. A block's sums of 4 pixels at a time stay in
   registers. */

enum { PIXELS = 4, WIDE = 8, NARROW = 4 };

#if defined(__GNUC__)
#define APART __attribute__((noinline)) /* sums of a function that is not part of another one stay in registers */
#else
#define APART
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define KEEP_LOOP _Pragma("GCC unroll 1") /* a loop that gcc unrolls early is not vectorised */
#else
#define KEEP_LOOP
#endif

/* total[pixel][o] += at[tap][pixel][i] * weight[tap][i][o] for all taps of a row of the kernel and i < count */
#define ACCUMULATE(PIXELS, BLOCK)                                                                                     \
    APART static void accumulate_##PIXELS##x##BLOCK(int taps, int count, const float *(*at)[4],                       \
                                                    const float *restrict weight, float (*restrict total)[WIDE])      \
    {                                                                                                                 \
        float sum[PIXELS][BLOCK];                                                                                     \
        for (int p = 0; p < PIXELS; p++) {                                                                            \
            for (int o = 0; o < BLOCK; o++) sum[p][o] = total[p][o];                                                  \
        }                                                                                                             \
        for (int tap = 0; tap < taps; tap++) {                                                                        \
            for (int i = 0; i < count; i++, weight += BLOCK) {                                                        \
                for (int p = 0; p < PIXELS; p++) {                                                                    \
                    const float x = at[tap][p][i];                                                                    \
                    KEEP_LOOP for (int o = 0; o < BLOCK; o++) sum[p][o] += x * weight[o];                             \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
        for (int p = 0; p < PIXELS; p++) {                                                                            \
            for (int o = 0; o < BLOCK; o++) total[p][o] = sum[p][o];                                                  \
        }                                                                                                             \
    }
ACCUMULATE(4, 8)
ACCUMULATE(4, 4)
ACCUMULATE(1, 8)
ACCUMULATE(1, 4)

/* One block of channels of `pixels` (4 or 1) outputs from number `first` on; `used` channels of the block are there. */
static void convolve_tile(const window *s, const float *in, const float *weight, const float *bias, float *out, int first,
                          int pixels, int block, int used)
{
    const int in_step = s->groups * s->in_channels, out_step = s->groups * s->out_channels;
    float sum[PIXELS][WIDE];
    int y[PIXELS], x[PIXELS], whole_rows = s->groups == 1 && s->dilation_width == 1;
    for (int p = 0, row = first / s->out_width, column = first % s->out_width; p < pixels; p++) {
        y[p] = row * s->stride_height - s->padding_top;
        x[p] = column * s->stride_width - s->padding_left;
        whole_rows = whole_rows && x[p] >= 0 && x[p] + s->kernel_width <= s->in_width;
        for (int o = 0; o < block; o++) sum[p][o] = o < used ? bias[o] : 0.0f;
        if (++column == s->out_width) column = 0, row++;
    }
    const int taps = whole_rows ? 1 : s->kernel_width; /* inside the image, a row of the kernel reads numbers side by side */
    const int count = whole_rows ? s->kernel_width * s->in_channels : s->in_channels;
    for (int ky = 0; ky < s->kernel_height; ky++, weight += taps * count * block) {
        const float *at[KERNEL_WIDTH][PIXELS];
        int inside = 0;
        for (int p = 0; p < pixels; p++) {
            const int iy = y[p] + ky * s->dilation_height, row_inside = iy >= 0 && iy < s->in_height;
            inside |= row_inside;
            for (int tap = 0, ix = x[p]; tap < taps; tap++, ix += s->dilation_width) {
                const int valid = row_inside && ix >= 0 && ix < s->in_width;
                at[tap][p] = valid ? in + (iy * s->in_width + ix) * in_step : zeros;
            }
        }
        if (!inside) continue;
        if (pixels == PIXELS && block == WIDE) {
            accumulate_4x8(taps, count, at, weight, sum);
        } else if (pixels == PIXELS) {
            accumulate_4x4(taps, count, at, weight, sum);
        } else if (block == WIDE) {
            accumulate_1x8(taps, count, at, weight, sum);
        } else {
            accumulate_1x4(taps, count, at, weight, sum);
        }
    }
    for (int p = 0; p < pixels; p++) {
        for (int o = 0; o < used; o++) out[(first + p) * out_step + o] = clamped(sum[p][o], s->low, s->high);
    }
}

static void convolve(const window *s, const float *in, const float *weight, const float *bias, float *out)
{
    const int pixels = s->out_height * s->out_width, taps = s->kernel_height * s->kernel_width * s->in_channels;
    for (int group = 0; group < s->groups; group++) {
        for (int o = 0; o < s->out_channels;) {
            const int left = s->out_channels - o, block = left > NARROW ? WIDE : NARROW, used = left < block ? left : block;
            int first = 0;
            for (; first + PIXELS <= pixels; first += PIXELS) {
                convolve_tile(s, in, weight, bias + o, out + o, first, PIXELS, block, used);
            }
            for (; first < pixels; first++) convolve_tile(s, in, weight, bias + o, out + o, first, 1, block, used);
            weight += taps * block;
            o += used;
        }
        in += s->in_channels, bias += s->out_channels, out += s->out_channels;
    }
}
