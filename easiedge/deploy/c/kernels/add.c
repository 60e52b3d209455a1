/* x += other, clamped */
static void add(int count, float *restrict x, const float *restrict other, float low, float high)
{
    for (int i = 0; i < count; i++) x[i] = clamped(x[i] + other[i], low, high);
}
