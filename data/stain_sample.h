#pragma once
// The pixels that stains are estimated from.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "data/image.h"

namespace eosin::data {

/// Whether some channel absorbs enough for the pixel not to be glass: its optical density (of 240) is at least 0.15.
inline bool is_stained(const uint8_t* rgb) { return rgb[0] <= 205 || rgb[1] <= 205 || rgb[2] <= 205; }

/// At most `most` stained pixels of a picture, evenly spread, as a picture of one row.
Image tissue_pixels(ImageView image, int64_t most);

/// Every k-th pixel of every k-th row, with the smallest k that leaves at most `most`.
void thin(ImageView image, int64_t most, Image& out);

/// Which `most` of `n` tiles to look at, evenly spread and ascending; all if there are no more.
std::vector<int64_t> spread_indices(int64_t n, int64_t most);

/// A slide's or cohort's pixels: an equal share of each of its tiles.
class PixelPool {
 public:
  /// `pixels` at most, of that many tiles.
  PixelPool(int64_t tiles, int64_t pixels) : share_(std::max<int64_t>(1, pixels / std::max<int64_t>(1, tiles))) {}
  void add(ImageView tile);
  /// All pixels so far as a picture of one row.
  const Image& pixels() const { return pool_; }

 private:
  int64_t share_;
  Image pool_{1, 0};
};

}  // namespace eosin::data
