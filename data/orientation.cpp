#include "data/orientation.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"

namespace eosin::data {

Orientation d4_orientation(int i) {
  EOSIN_CHECK(i >= 0 && i < 8, Config, "[d4] element out of range (got {}, need 0..7)", i);
  // out(y, x) of a quarter turn is in(x, W-1-y): mirrored in x, then transposed; the others follow.
  constexpr std::array<Orientation, 8> table = {{{false, false, false},
                                                 {true, false, true},
                                                 {true, true, false},
                                                 {false, true, true},
                                                 {true, false, false},
                                                 {true, true, true},
                                                 {false, true, false},
                                                 {false, false, true}}};
  return table[static_cast<size_t>(i)];
}

namespace {

Image oriented(ImageView image, const Orientation& o) {
  Image out(o.transpose ? image.width : image.height, o.transpose ? image.height : image.width);
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) {
      const int64_t my = o.vflip ? image.height - 1 - y : y, mx = o.hflip ? image.width - 1 - x : x;
      std::copy_n(image.row(y) + 3 * x, 3, o.transpose ? out.row(mx) + 3 * my : out.row(my) + 3 * mx);
    }
  return out;
}

}  // namespace

Image d4(ImageView image, int i) { return oriented(image, d4_orientation(i)); }
Image transposed(ImageView image) { return oriented(image, {.transpose = true}); }

void transpose(Planes image) {
  EOSIN_CHECK(image.height == image.width, Shape, "[transpose] the picture is not square (got {}x{})", image.height, image.width);
  constexpr int64_t kBlock = 16;
  const int64_t n = image.width;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y0 = 0; y0 < n; y0 += kBlock)
      for (int64_t x0 = 0; x0 <= y0; x0 += kBlock)
        for (int64_t y = y0; y < std::min(n, y0 + kBlock); ++y)
          for (int64_t x = x0; x < std::min(y, x0 + kBlock); ++x) std::swap(image.row(c, y)[x], image.row(c, x)[y]);
}

}  // namespace eosin::data
