#pragma once
// Product of float64 matrices on one thread, for parts that divide their rows among threads themselves.
// Goals     every element is summed over k in ascending order, so neither blocking nor the number of threads changes its bits;
//           transposed operands without a copy.
// Rejected  BLAS: its order of summation depends on its version, the thread count and the alignment.
#include <cstdint>

namespace eosin::eval {

/// Element (i, j) is data[i * row + j * col].
struct Strided {
  const double* data;
  int64_t row, col;
};

/// out += a b, out row-major with rows `out_row` apart.
///
/// Shapes   a [m, k], b [k, n], out [m, n].
void multiply_add(int64_t m, int64_t n, int64_t k, Strided a, Strided b, double* out, int64_t out_row);

}  // namespace eosin::eval
