#include "data/tile_ranges.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::data {

void TileRanges::add(TileRange range) {
  if (range.count == 0) return;
  const bool goes_on = !firsts_.empty() && firsts_.back() + (size_ - before_.back()) == range.first;
  if (!goes_on) {
    firsts_.push_back(range.first);
    before_.push_back(size_);
  }
  size_ += range.count;
}

uint64_t TileRanges::operator[](uint64_t i) const {
  EOSIN_ASSERT(i < size_);
  const auto after = std::upper_bound(before_.begin(), before_.end(), i);
  const auto k = static_cast<size_t>(after - before_.begin()) - 1;
  return firsts_[k] + (i - before_[k]);
}

}  // namespace eosin::data
