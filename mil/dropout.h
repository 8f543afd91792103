#pragma once
#include "mil/head.h"

namespace eosin::mil {

/// Dropout whose mask is a function of (seed, bag's position, layer, row within the bag, column): a packed batch, a bag cut into chunks
/// and any number of threads drop the same entries. Nothing happens in an evaluation.
class Dropout {
 public:
  Dropout(const Pass& pass, const std::vector<int64_t>& offsets) : pass_(pass), offsets_(offsets) {}
  /// For rows first_row ... of one bag.
  Dropout(const Pass& pass, int64_t first_row, int64_t rows) : pass_(pass), offsets_{0, rows}, first_row_(first_row) {}

  /// Zeroes entries with probability `rate` and divides the others by 1 - rate. `layer` numbers the places of a head.
  ///
  /// Shapes   x_ND, rows as the bags.
  /// Checked  tests/mil/test_bags.cpp.
  Tensor operator()(const Tensor& x_ND, double rate, uint32_t layer) const;

 private:
  Pass pass_;
  std::vector<int64_t> offsets_;
  int64_t first_row_ = 0;
};

}  // namespace eosin::mil
