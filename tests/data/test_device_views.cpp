// The views that a device renders, through the CPU's form of the same text, against render_fast.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/error.h"
#include "core/kernels/views.h"
#include "core/tensor/device.h"
#include "data/multicrop.h"
#include "data/tone.h"
#include "data/view_record.h"
#include "tests/data/tile_fixture.h"
#include "tests/message_of.h"

namespace eosin::data {
namespace {

/// What the order of sums, log and exp may cost on a CPU; a GPU has one grey level.
constexpr double kCpuLevels = 0.01;

struct Tiles {
  Tensor bytes_BHWC;
  std::vector<Image> images;
};

Tiles tiles_of(std::vector<Image> images) {
  Tiles t{at::empty({std::ssize(images), images[0].height, images[0].width, 3}, at::kByte), std::move(images)};
  for (size_t i = 0; i < t.images.size(); ++i)
    std::copy(t.images[i].rgb.begin(), t.images[i].rgb.end(), t.bytes_BHWC[static_cast<int64_t>(i)].mutable_data_ptr<uint8_t>());
  return t;
}

const Tiles& real_size_tiles() {
  static const Tiles tiles = [] {
    std::vector<Image> images = {synthetic_tile(256, 1)};
    for (Image& real : real_tiles(2))
      if (real.height == 256 && real.width == 256) images.push_back(std::move(real));
    return tiles_of(std::move(images));
  }();
  return tiles;
}

/// The drawn parameters of one view of every tile.
std::vector<ViewParams> draw(const ViewMaker& maker, const Tiles& tiles, int64_t view) {
  std::vector<ViewParams> params;
  for (size_t b = 0; b < tiles.images.size(); ++b)
    params.push_back(maker.draw(tiles.images[b].height, tiles.images[b].width, 7, static_cast<uint64_t>(b), view));
  return params;
}

Tensor records_of(const std::vector<ViewParams>& params) {
  Tensor records = at::empty({std::ssize(params), sizeof(kernels::ViewRecord)}, at::kByte);
  for (size_t i = 0; i < params.size(); ++i) static_cast<kernels::ViewRecord*>(records.mutable_data_ptr())[i] = record_of(params[i]);
  return records;
}

Tensor fast_views(const ViewRule& rule, const Tiles& tiles, const std::vector<ViewParams>& params) {
  Tensor out = at::empty({std::ssize(params), 3, rule.size_px, rule.size_px}, at::kFloat);
  for (size_t b = 0; b < params.size(); ++b) {
    const Image& tile = tiles.images[b];
    std::vector<float> memory(tile.rgb.size());
    const Planes planes{memory.data(), tile.height, tile.width};
    to_planes(tile, planes);
    render_fast(planes, rule, params[b], {out[static_cast<int64_t>(b)].mutable_data_ptr<float>(), rule.size_px, rule.size_px});
  }
  return out;
}

/// The greatest difference in grey levels; solarized views may jump at the threshold, which one number in ten thousand may reach.
double difference(const Tensor& a, const Tensor& b, const std::vector<ViewParams>& params) {
  double worst = 0;
  for (size_t i = 0; i < params.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    Tensor levels = std::get<0>(((a[at] - b[at]).abs() * 255).flatten().sort());
    const int64_t last = levels.numel() - 1 - (params[i].solarize ? levels.numel() / 10000 : 0);
    worst = std::max(worst, static_cast<double>(levels[last].item<float>()));
  }
  return worst;
}

/// Over the first two globals and two locals, on the given device.
double worst_difference(const MultiCropConfig& config, const Tiles& tiles, at::Device device = at::kCPU) {
  const ViewMaker maker(config);
  double worst = 0;
  for (int64_t v = 0; v < maker.n_views(); ++v) {
    if (v >= 2 && v != maker.n_global() && v != maker.n_global() + 1) continue;
    const auto params = draw(maker, tiles, v);
    const Tensor views = kernels::render_views(tiles.bytes_BHWC.to(device), records_of(params).to(device), recipe_of(maker.rule(v)));
    worst = std::max(worst, difference(views.cpu(), fast_views(maker.rule(v), tiles, params), params));
  }
  return worst;
}

/// Every preset without what a device cannot do, and what no preset has: other filters, both flips, box blur of any radius, certain ops.
std::vector<std::pair<std::string, MultiCropConfig>> recipes() {
  std::vector<std::pair<std::string, MultiCropConfig>> out;
  for (const auto& row : view_presets()) out.emplace_back(row.name, levels(view_preset(row.name)));
  for (auto& [name, config] : out) config.macenko_p = 0;
  for (const char* filter : {"bilinear", "lanczos"})
    for (const char* flip : {"both", "d4"})
      for (const char* blur : {"box", "kernel"}) {
        MultiCropConfig c = levels(view_preset("pathology"));
        c.filter = filter, c.flip = flip, c.blur_kind = blur;
        c.hed_p = c.jitter_p = 1, c.gray_p = 0, c.blur = "paper", c.blur_p = {1, 1, 1}, c.blur_sigma = {0.1, 9.0};
        c.global_size_px = 101, c.local_size_px = 37;
        out.emplace_back(fmt::format("{} {} {}", filter, flip, blur), c);
      }
  return out;
}

TEST(DeviceViews, AreTheFastOnesUpToRounding) {
  double worst = 0;
  for (const auto& [name, config] : recipes()) {
    const double d = worst_difference(config, real_size_tiles());
    EXPECT_LE(d, kCpuLevels) << name;
    worst = std::max(worst, d);
  }
  RecordProperty("worst_grey_levels", fmt::format("{:.4f}", worst));
}

TEST(DeviceViews, OfTilesThatAreNotSquareAndSmallerThanTheView) {
  Image tile(61, 43);
  for (size_t i = 0; i < tile.rgb.size(); ++i) tile.rgb[i] = static_cast<uint8_t>(90 + 60 * std::sin(static_cast<double>(i) / 40));
  MultiCropConfig config = levels(view_preset("pathology"));
  config.global_size_px = 89, config.local_size_px = 5;
  EXPECT_LE(worst_difference(config, tiles_of({tile, tile, tile})), kCpuLevels);
}

TEST(DeviceViews, TakeNormalisationAndBfloat16) {
  const ViewMaker maker(view_preset("dinov2"));
  const Tiles& tiles = real_size_tiles();
  const auto params = draw(maker, tiles, 2);
  const auto render = [&](at::ScalarType type) {
    return kernels::render_views(tiles.bytes_BHWC, records_of(params), recipe_of(maker.rule(2)), type);
  };
  const Tensor views = render(at::kFloat);
  EXPECT_LE((views - fast_views(maker.rule(2), tiles, params)).abs().max().item<float>(), 1 / (255 * 0.224));
  EXPECT_TRUE(at::equal(render(at::kBFloat16), views.to(at::kBFloat16)));
}

TEST(DeviceViews, CropsOfATileFollowThoseOfTheTilesBeforeIt) {
  const ViewMaker maker(levels(view_preset("pathology")));
  const Tiles& tiles = real_size_tiles();
  const auto first = draw(maker, tiles, 2), second = draw(maker, tiles, 3);
  const Tensor both = at::cat({records_of(first), records_of(second)});
  const auto render = [&](const Tensor& records) { return kernels::render_views(tiles.bytes_BHWC, records, recipe_of(maker.rule(2))); };
  EXPECT_TRUE(at::equal(render(both), at::cat({render(records_of(first)), render(records_of(second))})));
}

TEST(DeviceViews, RefuseWhatDoesNotFit) {
  const ViewMaker maker(view_preset("dinov2"));
  const kernels::ViewRecipe recipe = recipe_of(maker.rule(0));
  const Tensor tiles = at::zeros({3, 7, 11, 3}, at::kByte), records = at::zeros({6, 64}, at::kByte);
  const auto message = [&](const Tensor& t, const Tensor& r) { return message_of([&] { kernels::render_views(t, r, recipe); }, ErrorKind::Shape); };
  EXPECT_THAT(message(tiles.to(at::kFloat), records), testing::HasSubstr("[B, H, W, 3]"));
  EXPECT_THAT(message(tiles.narrow(2, 0, 5), records), testing::HasSubstr("[B, H, W, 3]"));
  EXPECT_THAT(message(tiles, records.narrow(1, 0, 63)), testing::HasSubstr("[crops, 64]"));
  EXPECT_THAT(message(tiles, records.narrow(0, 0, 5)), testing::HasSubstr("5 records for 3 tiles"));
  EXPECT_THAT(message_of([&] { kernels::render_views(tiles, records, recipe, at::kHalf); }, ErrorKind::Shape), testing::HasSubstr("bfloat16"));
}

TEST(DeviceViewsOnCuda, AreWithinOneGreyLevelOfTheFastOnes) {
  if (!device::cuda().available) GTEST_SKIP() << device::cuda().why_not;
  for (const auto& [name, config] : recipes()) EXPECT_LE(worst_difference(config, real_size_tiles(), at::kCUDA), 1) << name;
}

TEST(DeviceViewsOnCuda, HaveTheSameBitsEveryTime) {
  if (!device::cuda().available) GTEST_SKIP() << device::cuda().why_not;
  const ViewMaker maker(view_preset("pathology"));
  const Tiles& tiles = real_size_tiles();
  const Tensor records = records_of(draw(maker, tiles, 0)).to(at::kCUDA), bytes = tiles.bytes_BHWC.to(at::kCUDA);
  const auto render = [&](at::ScalarType type) { return kernels::render_views(bytes, records, recipe_of(maker.rule(0)), type); };
  EXPECT_TRUE(at::equal(render(at::kFloat), render(at::kFloat)));
  EXPECT_TRUE(at::equal(render(at::kBFloat16), render(at::kFloat).to(at::kBFloat16)));
}

}  // namespace
}  // namespace eosin::data
