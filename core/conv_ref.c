/* Plain loops, kept beside the fast engines as what the tests trust. */
#include "conv.h"

void conv_forward_ref(const float *kernel, const float *bias, int in, int out, int height,
                      int width, const float *x, bool relu, float *y)
{
#pragma omp parallel for schedule(static)
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++)
            for (int o0 = 0; o0 < out; o0 += LANES) {
                int count = out - o0 < LANES ? out - o0 : LANES;
                double sum[LANES];
                for (int o = 0; o < count; o++)
                    sum[o] = (double)bias[o0 + o];
                for (int tap = 0; tap < 9; tap++) {
                    int r = row + tap / 3 - 1, c = column + tap % 3 - 1;
                    if (r < 0 || r >= height || c < 0 || c >= width)
                        continue;
                    const float *from = x + ((size_t)r * (size_t)width + (size_t)c) * (size_t)in;
                    for (int i = 0; i < in; i++)
                        for (int o = 0; o < count; o++)
                            sum[o] +=
                                (double)from[i] *
                                (double)
                                    kernel[((size_t)tap * (size_t)in + (size_t)i) * (size_t)out +
                                           (size_t)(o0 + o)];
                }
                float *to = y + ((size_t)row * (size_t)width + (size_t)column) * (size_t)out;
                for (int o = 0; o < count; o++)
                    to[o0 + o] = relu && !(sum[o] > 0) ? 0.0f : (float)sum[o];
            }
}

void conv_backward_data_ref(const float *kernel, int in, int out, int height, int width,
                            const float *dy, float *dx)
{
#pragma omp parallel for schedule(static)
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++)
            for (int i = 0; i < in; i++) {
                double sum = 0;
                for (int tap = 0; tap < 9; tap++) {
                    int r = row - (tap / 3 - 1), c = column - (tap % 3 - 1);
                    if (r < 0 || r >= height || c < 0 || c >= width)
                        continue;
#pragma omp simd reduction(+ : sum)
                    for (int o = 0; o < out; o++)
                        sum += (double)dy[((size_t)r * (size_t)width + (size_t)c) * (size_t)out +
                                          (size_t)o] *
                               (double)kernel[((size_t)tap * (size_t)in + (size_t)i) * (size_t)out +
                                              (size_t)o];
                }
                dx[((size_t)row * (size_t)width + (size_t)column) * (size_t)in + (size_t)i] =
                    (float)sum;
            }
}
