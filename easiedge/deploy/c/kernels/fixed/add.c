/* x += other, clamped */
static void add(int count, fixed *restrict x, const fixed *restrict other, fixed low, fixed high)
{
    for (int i = 0; i < count; i++) x[i] = rounded((int64_t)x[i] + other[i], 0, low, high);
}
