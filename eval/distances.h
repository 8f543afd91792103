#pragma once
// Squared Euclidean distances from differences, not from dot products: equal rows are at distance 0 exactly.
#include <cstdint>

namespace eosin::eval {

/// out[i][j] = sum over d of (a[i][d] - b[j][d])^2, d ascending, on the calling thread.
///
/// Shapes   a [m, dim], b [n, dim], out [m, n], all row-major.
void squared_distances(int64_t m, int64_t n, int64_t dim, const double* a, const double* b, double* out);

}  // namespace eosin::eval
