/* Numbers are 32 bits with FRACTION binary digits behind the point; sums are 64 bits, rounded once, and held within the clamp.
   Shifts of negative numbers keep the sign, as compilers for these processors have it. */
typedef int32_t fixed;
static inline fixed rounded(int64_t sum, int shift, fixed low, fixed high)
{
    const int64_t value = shift ? (sum + ((int64_t)1 << (shift - 1))) >> shift : sum;
    return value < low ? low : value > high ? high : (fixed)value;
}
