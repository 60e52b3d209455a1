/* x *= other */
static void multiply(int count, float *restrict x, const float *restrict other)
{
    for (int i = 0; i < count; i++) x[i] *= other[i];
}
