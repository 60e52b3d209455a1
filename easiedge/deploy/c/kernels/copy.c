static void copy(int count, const float *restrict in, float *restrict out)
{
    for (int i = 0; i < count; i++) out[i] = in[i];
}
