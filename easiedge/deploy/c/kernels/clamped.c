static inline float clamped(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}
