static void hardswish(int count, float *x)
{
    for (int i = 0; i < count; i++) x[i] *= clamped(x[i] / 6.0f + 0.5f, 0.0f, 1.0f);
}
