static void softmax(int count, fixed *x)
{
    fixed most = x[0];
    float sum = 0.0f;
    for (int i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
    for (int i = 0; i < count; i++) sum += expf(((float)x[i] - (float)most) / (float)(1 << FRACTION));
    for (int i = 0; i < count; i++) {
        const float share = expf(((float)x[i] - (float)most) / (float)(1 << FRACTION)) / sum;
        x[i] = (fixed)(share * (float)(1 << FRACTION) + 0.5f);
    }
}
