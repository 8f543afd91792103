#pragma once
// The cheapest way to pair rows with columns.
#include "eval/matrix.h"

#include <vector>

namespace eosin::eval {

/// Column of each row in the one-to-one assignment of least total cost, -1 for rows left over where there are more rows than columns.
/// Shortest augmenting paths (Jonker and Volgenant 1987), O(n^2 m).
///
/// Errors   Data if a cost is not finite.
/// Checked  tests/eval/test_segmentation.cpp: all permutations.
std::vector<int64_t> cheapest_assignment(MatrixView cost);

}  // namespace eosin::eval
