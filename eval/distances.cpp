#include "eval/distances.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace eosin::eval {
namespace {

using Vec = double __attribute__((vector_size(32)));
constexpr int64_t kLanes = 4, kPanel = 2 * kLanes;  // rows of b at a time, side by side
constexpr int64_t kRows = 4;                        // rows of a at a time: 8 accumulators hide the latency of an addition

void against_panel(int64_t dim, const double* const* rows, const double* panel, double (*out)[kPanel]) {
  Vec acc[kRows][2] = {};
  for (int64_t d = 0; d < dim; ++d, panel += kPanel) {
    Vec b[2];
    std::memcpy(b, panel, sizeof b);
    for (int64_t r = 0; r < kRows; ++r)
      for (int h = 0; h < 2; ++h) {
        const Vec gap = rows[r][d] - b[h];
        acc[r][h] += gap * gap;
      }
  }
  std::memcpy(out, acc, sizeof acc);
}

}  // namespace

void squared_distances(int64_t m, int64_t n, int64_t dim, const double* a, const double* b, double* out) {
  std::vector<double> panel(static_cast<size_t>(dim * kPanel));
  double block[kRows][kPanel];
  for (int64_t j0 = 0; j0 < n; j0 += kPanel) {
    const int64_t width = std::min(kPanel, n - j0);
    for (int64_t j = 0; j < kPanel; ++j)
      for (int64_t d = 0; d < dim; ++d) panel[d * kPanel + j] = b[std::min(j0 + j, n - 1) * dim + d];
    for (int64_t i0 = 0; i0 < m; i0 += kRows) {
      const double* rows[kRows];
      for (int64_t r = 0; r < kRows; ++r) rows[r] = a + std::min(i0 + r, m - 1) * dim;
      against_panel(dim, rows, panel.data(), block);
      for (int64_t r = 0; r < std::min(kRows, m - i0); ++r) std::copy_n(block[r], width, out + (i0 + r) * n + j0);
    }
  }
}

}  // namespace eosin::eval
