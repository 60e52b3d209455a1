static void clamp(int count, float *x, float low, float high)
{
    for (int i = 0; i < count; i++) x[i] = clamped(x[i], low, high);
}
