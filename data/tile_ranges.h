#pragma once
// Sets of tile numbers that are mostly runs of neighbours.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eosin::data {

/// Tiles [first, first + count).
struct TileRange {
  uint64_t first = 0, count = 0;
  bool operator==(const TileRange&) const = default;
};

/// A list of tile numbers kept as ranges: 16 bytes a range, however many tiles it has.
/// Checked  tests/data/test_tile_order.cpp.
class TileRanges {
 public:
  /// Appends a range; one that goes on where the last one ends becomes part of it.
  void add(TileRange range);
  uint64_t size() const { return size_; }
  size_t n_ranges() const { return firsts_.size(); }
  TileRange range(size_t k) const { return {firsts_[k], (k + 1 < before_.size() ? before_[k + 1] : size_) - before_[k]}; }
  /// The i-th number of the list.
  uint64_t operator[](uint64_t i) const;

 private:
  std::vector<uint64_t> firsts_, before_;  // before_[k]: numbers in the ranges before range k
  uint64_t size_ = 0;
};

}  // namespace eosin::data
