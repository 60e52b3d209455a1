static void leaky_relu(int count, float *x, float slope)
{
    for (int i = 0; i < count; i++) x[i] = x[i] < 0.0f ? slope * x[i] : x[i];
}
