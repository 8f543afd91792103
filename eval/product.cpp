#include "eval/product.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace eosin::eval {
namespace {

using Vec = double __attribute__((vector_size(32)));
constexpr int64_t kLanes = 4, kPanel = 2 * kLanes;  // columns of b at a time
constexpr int64_t kDepth = 256;                     // rows of b at a time: a packed panel of 16 KB stays in the first cache
constexpr int kRows = 4;                            // rows of a at a time: 8 accumulators hide the latency of an addition

/// acc[r][0..8) += sum over k of a(r, k) panel[k][0..8).
template <int R>
void accumulate(int64_t k, Strided a, const double* panel, double* const* out, int64_t width) {
  Vec acc[R][2];
  alignas(32) double edge[kPanel];
  for (int r = 0; r < R; ++r) {
    std::memset(edge, 0, sizeof edge);
    std::memcpy(edge, out[r], sizeof(double) * static_cast<size_t>(width));
    std::memcpy(acc[r], edge, sizeof edge);
  }
  for (int64_t i = 0; i < k; ++i, panel += kPanel) {
    Vec b[2];
    std::memcpy(b, panel, sizeof b);
    for (int r = 0; r < R; ++r) {
      const double x = a.data[r * a.row + i * a.col];
      acc[r][0] += x * b[0];
      acc[r][1] += x * b[1];
    }
  }
  for (int r = 0; r < R; ++r) std::memcpy(out[r], acc[r], sizeof(double) * static_cast<size_t>(width));
}

void pack(int64_t k, int64_t width, Strided b, double* panel) {
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < kPanel; ++j) panel[i * kPanel + j] = j < width ? b.data[i * b.row + j * b.col] : 0;
}

}  // namespace

void multiply_add(int64_t m, int64_t n, int64_t k, Strided a, Strided b, double* out, int64_t out_row) {
  alignas(32) thread_local double panel[kDepth * kPanel];
  for (int64_t k0 = 0; k0 < k; k0 += kDepth)
    for (int64_t j0 = 0; j0 < n; j0 += kPanel) {
      const int64_t depth = std::min(kDepth, k - k0), width = std::min(kPanel, n - j0);
      pack(depth, width, {b.data + k0 * b.row + j0 * b.col, b.row, b.col}, panel);
      for (int64_t i0 = 0; i0 < m; i0 += kRows) {
        double* rows[kRows];
        const int64_t count = std::min<int64_t>(kRows, m - i0);
        for (int64_t r = 0; r < count; ++r) rows[r] = out + (i0 + r) * out_row + j0;
        const Strided block{a.data + i0 * a.row + k0 * a.col, a.row, a.col};
        switch (count) {
          case 1:
            accumulate<1>(depth, block, panel, rows, width);
            break;
          case 2:
            accumulate<2>(depth, block, panel, rows, width);
            break;
          case 3:
            accumulate<3>(depth, block, panel, rows, width);
            break;
          default:
            accumulate<4>(depth, block, panel, rows, width);
        }
      }
    }
}

}  // namespace eosin::eval
