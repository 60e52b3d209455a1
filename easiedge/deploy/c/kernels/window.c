/* What slides over an image [height][width][channels]; a convolution's channels are those of one of its groups. */
typedef struct {
    int in_height, in_width, in_channels;
    int out_height, out_width, out_channels;
    int groups;
    int kernel_height, kernel_width;
    int stride_height, stride_width;
    int padding_top, padding_left;
    int dilation_height, dilation_width;
    int padding_counts; /* average: the padding is part of the mean */
    int divisor;        /* average: what sums are divided by; 0: the number of positions */
    float low, high;    /* outputs are clamped to these: ReLU, ReLU6 */
} window;
