#include "data/tone.h"

#include "core/base/error.h"
#include "data/pixel_chain.h"

namespace eosin::data {
namespace {

using ChannelTables = std::array<std::array<float, 256>, 3>;

void look_up(ImageView image, const ChannelTables& tables, Planes out) {
  EOSIN_CHECK(image.height == out.height && image.width == out.width, Shape, "[normalize] sizes differ (got {}x{}, need {}x{})", image.height,
              image.width, out.height, out.width);
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* in = image.row(y);
    float *r = out.row(0, y), *g = out.row(1, y), *b = out.row(2, y);
    for (int64_t x = 0; x < image.width; ++x, in += 3) r[x] = tables[0][in[0]], g[x] = tables[1][in[1]], b[x] = tables[2][in[2]];
  }
}

}  // namespace

void grayscale(Image& image) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) image.rgb[i] = image.rgb[i + 1] = image.rgb[i + 2] = luma(&image.rgb[i]);
}

void grayscale(Planes image) {
  const PixelStep step{PixelOp::kGrayscale};
  apply_chain(image, {&step, 1});
}

void solarize(Image& image, int threshold) {
  for (uint8_t& x : image.rgb) x = x < threshold ? x : static_cast<uint8_t>(255 - x);
}

void solarize(Planes image, float threshold) {
  const PixelStep step{PixelOp::kSolarize, threshold};
  apply_chain(image, {&step, 1});
}

void normalize(ImageView image, const Channels& mean, const Channels& std, Planes out) {
  ChannelTables tables;
  for (size_t c = 0; c < 3; ++c) {
    EOSIN_CHECK(std[c] > 0, Config, "[normalize] std must be positive (got {})", std[c]);
    const auto m = static_cast<float>(mean[c]), s = static_cast<float>(std[c]);
    for (size_t x = 0; x < 256; ++x) tables[c][x] = (static_cast<float>(x) / 255.0f - m) / s;
  }
  look_up(image, tables, out);
}

void to_planes(ImageView image, Planes out) {
  std::array<float, 256> table;
  for (size_t x = 0; x < 256; ++x) table[x] = static_cast<float>(x) / 255.0f;
  look_up(image, {table, table, table}, out);
}

}  // namespace eosin::data
