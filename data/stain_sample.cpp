#include "data/stain_sample.h"

#include <algorithm>

namespace eosin::data {

Image tissue_pixels(ImageView image, int64_t most) {
  std::vector<const uint8_t*> stained;
  for (int64_t y = 0; y < image.height; ++y)
    for (const uint8_t *p = image.row(y), *end = p + 3 * image.width; p != end; p += 3)
      if (is_stained(p)) stained.push_back(p);
  const auto chosen = spread_indices(static_cast<int64_t>(stained.size()), most);
  Image out(1, static_cast<int64_t>(chosen.size()));
  uint8_t* to = out.rgb.data();
  for (const int64_t i : chosen) to = std::copy_n(stained[static_cast<size_t>(i)], 3, to);
  return out;
}

void thin(ImageView image, int64_t most, Image& out) {
  const auto kept = [&](int64_t k) { return ((image.height + k - 1) / k) * ((image.width + k - 1) / k); };
  int64_t k = 1;
  while (kept(k) > most) ++k;
  out.height = (image.height + k - 1) / k, out.width = (image.width + k - 1) / k;
  out.rgb.resize(static_cast<size_t>(3 * kept(k)));
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) std::copy_n(image.row(y * k) + 3 * x * k, 3, out.row(y) + 3 * x);
}

std::vector<int64_t> spread_indices(int64_t n, int64_t most) {
  const int64_t count = std::min(n, most);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back((2 * i + 1) * n / (2 * count));
  return indices;
}

void PixelPool::add(ImageView tile) {
  const Image more = tissue_pixels(tile, share_);
  pool_.rgb.insert(pool_.rgb.end(), more.rgb.begin(), more.rgb.end());
  pool_.width += more.width;
}

}  // namespace eosin::data
