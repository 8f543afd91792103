#pragma once
// The tiles of a store in a reference's colours: an evaluation condition, and the simulation of other stainings.
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "data/stain.h"
#include "data/tile_store.h"

namespace eosin::data {

/// Thread-safe. A slide's colours are estimated when its first tile is asked for, from kStainPixels tissue pixels of kStainTiles tiles.
///
/// Checked  tests/data/test_stain_use.cpp.
class StoreStain {
 public:
  StoreStain(std::shared_ptr<const TileStore> store, std::shared_ptr<const StainReference> reference);

  const std::string& description() const { return reference_->description(); }
  /// Changes the picture of tile `index` in place, or leaves it and counts it.
  void normalize(uint64_t index, Image& tile) const;
  /// Tiles that were left as they were.
  int64_t left() const { return left_; }

 private:
  struct Slide {
    std::vector<uint64_t> tiles;
    std::once_flag estimated;
    std::unique_ptr<const SlideStain> stain;
  };
  void estimate(Slide& slide, uint32_t row) const;

  const std::shared_ptr<const TileStore> store_;
  const std::shared_ptr<const StainReference> reference_;
  const std::unique_ptr<Slide[]> slides_;
  mutable std::atomic<int64_t> left_{0};
};

}  // namespace eosin::data
