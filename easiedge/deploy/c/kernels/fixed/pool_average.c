/* The mean of what is under the window, channel by channel. */
static int at_most(int value, int limit)
{
    return value < limit ? value : limit;
}

static void pool_average(const window *s, const fixed *restrict in, fixed *restrict out)
{
    const int channels = s->out_channels;
    for (int oy = 0; oy < s->out_height; oy++) {
        for (int ox = 0; ox < s->out_width; ox++, out += channels) {
            int top = oy * s->stride_height - s->padding_top, left = ox * s->stride_width - s->padding_left;
            int bottom = at_most(top + s->kernel_height, s->in_height + s->padding_top);
            int right = at_most(left + s->kernel_width, s->in_width + s->padding_left);
            int divisor = (bottom - top) * (right - left); /* with the padding */
            top = top < 0 ? 0 : top, left = left < 0 ? 0 : left;
            bottom = at_most(bottom, s->in_height), right = at_most(right, s->in_width);
            if (!s->padding_counts) divisor = (bottom - top) * (right - left);
            if (s->divisor) divisor = s->divisor;
            for (int c = 0; c < channels; c++) {
                int64_t sum = 0;
                for (int iy = top; iy < bottom; iy++) {
                    for (int ix = left; ix < right; ix++) sum += in[(iy * s->in_width + ix) * channels + c];
                }
                out[c] = (fixed)((sum >= 0 ? sum + divisor / 2 : sum - divisor / 2) / divisor);
            }
        }
    }
}
