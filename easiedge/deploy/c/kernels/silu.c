static void silu(int count, float *x)
{
    for (int i = 0; i < count; i++) x[i] = x[i] / (1.0f + expf(-x[i]));
}
