#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/multicrop.h"
#include "tests/data/tile_fixture.h"

namespace eosin::data {
namespace {

std::vector<std::vector<float>> make_views(const MultiCropConfig& config, const Image& tile, uint64_t seed, uint64_t position) {
  const ViewMaker maker(config);
  std::vector<std::vector<float>> views;
  std::vector<float*> out;
  for (int64_t v = 0; v < maker.n_views(); ++v) views.emplace_back(static_cast<size_t>(3 * maker.size_px(v) * maker.size_px(v)));
  for (auto& v : views) out.push_back(v.data());
  maker.make(tile, seed, position, out);
  return views;
}

struct Distance {
  double mean = 0, p999 = 0;
};
/// In grey levels: the normalisation must be the identity.
Distance distance(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<double> d(a.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += d[i] = 255 * std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  const auto at = d.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(d.size() - 1) * 0.999);
  std::nth_element(d.begin(), at, d.end());
  return {sum / static_cast<double>(d.size()), *at};
}

std::vector<float> joined(const std::vector<std::vector<float>>& views) {
  std::vector<float> all;
  for (const auto& v : views) all.insert(all.end(), v.begin(), v.end());
  return all;
}

/// Between the two modes: the worst tile's mean, and the 99.9th percentile over all tiles.
Distance mode_distance(MultiCropConfig config, const std::vector<Image>& tiles) {
  std::vector<std::vector<float>> all_exact, all_fast;
  double worst_mean = 0;
  for (size_t i = 0; i < tiles.size(); ++i) {
    config.arithmetic = "exact";
    all_exact.push_back(joined(make_views(config, tiles[i], 3, i)));
    config.arithmetic = "fast";
    all_fast.push_back(joined(make_views(config, tiles[i], 3, i)));
    worst_mean = std::max(worst_mean, distance(all_exact.back(), all_fast.back()).mean);
  }
  return {worst_mean, distance(joined(all_exact), joined(all_fast)).p999};
}

std::vector<Image> tiles_to_compare() {
  std::vector<Image> tiles = real_tiles(12);
  for (uint64_t s = 0; s < 3; ++s) tiles.push_back(synthetic_tile(256, s));
  return tiles;
}

TEST(Views, FastCropIsNearTheExactOne) {
  MultiCropConfig config = levels(view_preset("dinov2"));
  config.jitter_p = config.gray_p = 0;
  config.blur_p = {0, 0, 0}, config.blur = "paper", config.solarize_p = {0, 0, 0};
  const Distance d = mode_distance(config, tiles_to_compare());
  EXPECT_LE(d.mean, 0.4);
  EXPECT_LE(d.p999, 3);
}

TEST(Views, FastViewIsNearTheExactOne) {
  for (const char* preset : {"dino", "dinov2", "dinov2_paper"}) {
    MultiCropConfig config = levels(view_preset(preset));
    config.solarize_p = {0, 0, 0};  // a jump: a pixel at the threshold may fall on either side
    const Distance d = mode_distance(config, tiles_to_compare());
    EXPECT_LE(d.mean, 2.5) << preset;
    EXPECT_LE(d.p999, 8) << preset;
  }
}

TEST(Views, FastStainIsNearTheExactOne) {
  // Dark pixels lie where the logarithm is steep: the u8 that the exact mode passes on costs more there than after the other ops.
  const Distance d = mode_distance(levels(view_preset("pathology")), tiles_to_compare());
  EXPECT_LE(d.mean, 2.5);
  EXPECT_LE(d.p999, 10);
}

TEST(Views, AnySizeOfTileAndView) {
  MultiCropConfig config = view_preset("pathology");
  config.global_size_px = 97, config.local_size_px = 13;
  Image tile(131, 67);
  for (size_t i = 0; i < tile.rgb.size(); ++i) tile.rgb[i] = static_cast<uint8_t>(i * 7);
  for (const char* arithmetic : {"fast", "exact"}) {
    config.arithmetic = arithmetic;
    for (uint64_t p = 0; p < 20; ++p)
      for (const auto& view : make_views(config, tile, 5, p))
        ASSERT_TRUE(std::all_of(view.begin(), view.end(), [](float v) { return std::isfinite(v); }));
  }
}

TEST(Views, AreAFunctionOfSeedAndPosition) {
  const MultiCropConfig config = view_preset("dinov2");
  const Image tile = synthetic_tile(64, 1);
  EXPECT_EQ(make_views(config, tile, 1, 2), make_views(config, tile, 1, 2));
  EXPECT_NE(make_views(config, tile, 1, 2), make_views(config, tile, 1, 3));
  EXPECT_NE(make_views(config, tile, 1, 2), make_views(config, tile, 2, 2));
  EXPECT_NE(make_views(config, tile, 1, 2), make_views(config, tile, 1, 2 + (uint64_t{1} << 32)));
}

/// Undistorted copies come last: cut and turned as their global crop, at another size, and nothing else done to them.
TEST(Views, UndistortedCopiesFollowTheirGlobalCrops) {
  MultiCropConfig config = view_preset("dinov2");
  config.flip = "d4", config.undistorted_size_px = 64, config.hed_p = 0.5, config.macenko_p = 0.5;
  const ViewMaker maker(config);
  ASSERT_EQ(maker.n_views(), 2 + 8 + 2);
  EXPECT_EQ(maker.n_undistorted(), 2);
  EXPECT_EQ(maker.size_px(11), 64);
  for (uint64_t p = 0; p < 50; ++p)
    for (const int64_t g : {0, 1}) {
      const ViewParams crop = maker.draw(256, 240, 9, p, g), copy = maker.draw(256, 240, 9, p, 10 + g);
      EXPECT_EQ(crop.box, copy.box);
      EXPECT_TRUE(crop.orientation.hflip == copy.orientation.hflip && crop.orientation.vflip == copy.orientation.vflip &&
                  crop.orientation.transpose == copy.orientation.transpose);
      EXPECT_FALSE(copy.hed || copy.macenko || copy.randstainna || copy.jitter || copy.gray || copy.sigma || copy.solarize);
    }
}

/// area_of=crop: the box has about the crop's own size whatever the tile's, so that what is in it keeps its scale.
TEST(Views, ExtendedContextKeepsTheScale) {
  MultiCropConfig config = view_preset("virchow2");
  config.global_size_px = 112, config.local_size_px = 56;
  const ViewMaker maker(config);
  for (const int64_t side : {196, 400})
    for (uint64_t p = 0; p < 200; ++p)
      for (const int64_t v : {0, 1, 5}) {
        const Box box = maker.draw(side, side, 9, p, v).box;
        const double scale = std::sqrt(static_cast<double>(box.height * box.width)) / static_cast<double>(maker.size_px(v));
        EXPECT_GT(scale, std::sqrt(0.9) - 0.01) << side << " " << v;
        EXPECT_LT(scale, std::sqrt(1.1) + 0.01) << side << " " << v;
      }
}

TEST(Views, NoOpShiftsAnothersDraws) {
  const ViewMaker with(view_preset("dinov2"));
  MultiCropConfig config = view_preset("dinov2");
  config.jitter_p = 0, config.flip = "none";
  const ViewMaker without(config);
  for (uint64_t p = 0; p < 50; ++p) {
    const ViewParams a = with.draw(256, 256, 9, p, 1), b = without.draw(256, 256, 9, p, 1);
    EXPECT_EQ(a.box, b.box);
    EXPECT_EQ(a.gray, b.gray);
    EXPECT_EQ(a.sigma, b.sigma);
    EXPECT_EQ(a.solarize, b.solarize);
  }
}

TEST(Views, AreDrawnAsOftenAsTheRecipeSays) {
  const ViewMaker maker(view_preset("pathology"));
  constexpr int kDraws = 4000;
  int jitter = 0, gray = 0, blur = 0, hed = 0, flipped = 0, transposed = 0;
  std::array<int, 24> orders{};
  for (uint64_t p = 0; p < kDraws; ++p) {
    const ViewParams d = maker.draw(256, 256, 11, p, 2);
    hed += d.hed.has_value(), gray += d.gray, blur += d.sigma.has_value();
    flipped += d.orientation.hflip, transposed += d.orientation.transpose;
    EXPECT_FALSE(d.solarize);
    if (!d.jitter) continue;
    ++jitter;
    std::array<int, 4> order = {0, 1, 2, 3};
    size_t rank = 0;
    for (; order != d.jitter->order; ++rank) ASSERT_TRUE(std::next_permutation(order.begin(), order.end()));
    ++orders[rank];
    for (size_t i = 0; i < 2; ++i) ASSERT_TRUE(d.jitter->factors[i] >= 0.8 && d.jitter->factors[i] <= 1.2);
  }
  const auto near = [](int count, double p) { return std::abs(count - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p)); };
  EXPECT_TRUE(near(jitter, 0.8) && near(gray, 0.1) && near(blur, 0.5) && near(hed, 0.5) && near(flipped, 0.5) && near(transposed, 0.5));
  for (const int n : orders) EXPECT_TRUE(near(n, 0.8 / 24)) << n;
}

TEST(ViewPresets, AreAllUsable) {
  for (const auto& row : view_presets()) {
    MultiCropConfig config = view_preset(row.name);
    EXPECT_FALSE(row.source.empty());
    config.global_size_px = 16, config.local_size_px = 8;
    EXPECT_EQ(static_cast<int64_t>(make_views(config, synthetic_tile(32, 1), 0, 0).size()), config.n_global + config.n_local) << row.name;
    EXPECT_FALSE(describe(config).empty());
  }
  EXPECT_THROW(view_preset("dinov4"), Error);
}

/// `expect(preset, row)` for every preset that a row of the table names; together they must name each preset once.
template <class Row>
void for_every_preset(const std::vector<std::pair<std::string, Row>>& table, const std::function<void(const MultiCropConfig&, const Row&)>& expect) {
  std::multiset<std::string> named, all;
  for (const auto& [names, row] : table) {
    std::istringstream in(names);
    for (std::string name; in >> name; named.insert(name)) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, name);
      expect(view_preset(name), row);
    }
  }
  for (const auto& row : view_presets()) all.insert(row.name);
  EXPECT_EQ(named, all);
}

using Reals = std::vector<double>;

TEST(ViewPresets, CutThePublishedCrops) {
  struct Crops {
    int64_t n_global, n_local, local_size;
    Reals global, local, ratio;
    std::string area_of, filter, flip;
  };
  const Reals plain = {3.0 / 4, 4.0 / 3}, unused = {0.05, 0.32};
  const std::vector<std::pair<std::string, Crops>> table = {
      {"dinov2 dinov2_paper dinov3 uni gpfm rudolfv", {2, 8, 96, {0.32, 1}, {0.05, 0.32}, plain, "tile", "bicubic", "horizontal"}},
      {"openmidnight", {2, 8, 98, {0.32, 1}, {0.05, 0.32}, plain, "tile", "bicubic", "horizontal"}},
      {"pathology", {2, 8, 96, {0.32, 1}, {0.05, 0.32}, plain, "tile", "bicubic", "d4"}},
      {"virchow2", {2, 8, 96, {0.9, 1.1}, {0.9, 1.1}, {0.95, 1.05}, "crop", "bicubic", "both"}},
      {"dino", {2, 8, 96, {0.4, 1}, {0.05, 0.4}, plain, "tile", "bicubic", "horizontal"}},
      {"ibot", {2, 10, 96, {0.25, 1}, {0.05, 0.25}, plain, "tile", "bicubic", "horizontal"}},
      {"msn", {2, 10, 96, {0.3, 1}, {0.05, 0.3}, plain, "tile", "bicubic", "horizontal"}},
      {"simclr moco_v3", {2, 0, 96, {0.08, 1}, unused, plain, "tile", "bicubic", "horizontal"}},
      {"mae", {1, 0, 96, {0.2, 1}, unused, plain, "tile", "bicubic", "horizontal"}},
      {"supervised", {1, 0, 96, {0.08, 1}, unused, plain, "tile", "bilinear", "horizontal"}},
  };
  for_every_preset<Crops>(table, [](const MultiCropConfig& got, const Crops& want) {
    EXPECT_EQ(got.n_global, want.n_global);
    EXPECT_EQ(got.global_size(), 224);
    EXPECT_EQ(got.global, want.global);
    EXPECT_EQ(got.n_local, want.n_local);
    EXPECT_EQ(got.local_size(), want.local_size);
    EXPECT_EQ(got.local, want.local);
    EXPECT_EQ(got.ratio, want.ratio);
    EXPECT_EQ(got.area_of, want.area_of);
    EXPECT_EQ(got.filter, want.filter);
    EXPECT_EQ(got.flip, want.flip);
  });
}

TEST(ViewPresets, DrawThePublishedColours) {
  struct Colours {
    Reals jitter;
    double jitter_p, gray_p;
    Reals solarize_p;
    double hed_p, macenko_p;
  };
  const std::vector<std::pair<std::string, Colours>> table = {
      {"dinov2 dinov2_paper dinov3 uni gpfm virchow2 dino ibot moco_v3", {{0.4, 0.4, 0.2, 0.1}, 0.8, 0.2, {0, 0.2, 0}, 0, 0}},
      {"rudolfv", {{0.4, 0.4, 0.2, 0.1}, 0.8, 0.2, {0, 0.2, 0}, 0, 0.5}},
      {"openmidnight", {{0.2, 0.2, 0.1, 0.05}, 0.8, 0.2, {0, 0, 0}, 0.5, 0}},
      {"pathology", {{0.2, 0.2, 0.1, 0.05}, 0.8, 0.1, {0, 0, 0}, 0.5, 0}},
      {"msn", {{0.4, 0.4, 0.4, 0.1}, 0.8, 0.2, {0, 0, 0}, 0, 0}},
      {"simclr", {{0.8, 0.8, 0.8, 0.2}, 0.8, 0.2, {0, 0, 0}, 0, 0}},
      {"mae supervised", {{0, 0, 0, 0}, 0, 0, {0, 0, 0}, 0, 0}},
  };
  for_every_preset<Colours>(table, [](const MultiCropConfig& got, const Colours& want) {
    EXPECT_EQ(got.jitter, want.jitter);
    EXPECT_EQ(got.jitter_p, want.jitter_p);
    EXPECT_EQ(got.gray_p, want.gray_p);
    EXPECT_EQ(got.solarize_p, want.solarize_p);
    EXPECT_EQ(got.solarize_threshold, 128);
    EXPECT_EQ(got.hed_p, want.hed_p);
    EXPECT_EQ(got.hed_sigma, 0.05);
    EXPECT_EQ(got.macenko_p, want.macenko_p);
    EXPECT_EQ(got.randstainna_p, 0);
    EXPECT_EQ(got.mean, (Reals{0.485, 0.456, 0.406}));
    EXPECT_EQ(got.std, (Reals{0.229, 0.224, 0.225}));
  });
}

TEST(ViewPresets, BlurAsPublished) {
  struct Blurring {
    std::string blur, kind;
    Reals p;
  };
  const std::vector<std::pair<std::string, Blurring>> table = {
      {"dinov2 dinov3 uni gpfm openmidnight rudolfv virchow2", {"meta_effective", "kernel", {1, 0.1, 0.5}}},
      {"dinov2_paper pathology", {"paper", "kernel", {1, 0.1, 0.5}}},
      {"dino ibot", {"paper", "box", {1, 0.1, 0.5}}},
      {"msn simclr", {"paper", "kernel", {0.5, 0.5, 0.5}}},
      {"moco_v3", {"paper", "kernel", {1, 0.1, 0}}},
      {"mae supervised", {"paper", "kernel", {0, 0, 0}}},
  };
  for_every_preset<Blurring>(table, [](const MultiCropConfig& got, const Blurring& want) {
    EXPECT_EQ(got.blur, want.blur);
    EXPECT_EQ(got.blur_kind, want.kind);
    EXPECT_EQ(got.blur_p, want.p);
    EXPECT_EQ(got.blur_sigma, (Reals{0.1, 2}));
  });
}

TEST(ViewPresets, BlurOfTheReleasedCodeIsOneMinusThePapers) {
  const auto paper = view_rules(view_preset("dinov2_paper")), released = view_rules(view_preset("dinov2"));
  EXPECT_EQ(paper[0].blur_p, 1.0);
  EXPECT_EQ(paper[1].blur_p, 0.1);
  EXPECT_EQ(paper[2].blur_p, 0.5);
  EXPECT_EQ(released[0].blur_p, 0.0);
  EXPECT_EQ(released[1].blur_p, 0.9);
  EXPECT_EQ(released[2].blur_p, 0.5);
}

}  // namespace
}  // namespace eosin::data
