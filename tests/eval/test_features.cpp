#include "core/base/error.h"
#include "core/base/stop.h"
#include "data/feature_store.h"
#include "eval/features.h"
#include "tests/data/store_fixture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;
using data::TileStore;

class Features : public ::testing::Test {
 protected:
  Features() {
    data::write_store(folder_ / "store", {3, 5, 2});
    store_ = std::make_shared<const TileStore>(folder_ / "store");
  }
  ExtractionResult extract(const Extractor& extractor, const ExtractionOptions& options = {}) {
    return extract_features(
        store_, extractor, out(), options, [&](int64_t n) { done_ += n; }, [&](const Failure& f) { failures_.push_back(f); });
  }
  std::string out() const { return folder_ / "features"; }

  TemporaryFolder folder_;
  std::shared_ptr<const TileStore> store_;
  int64_t done_ = 0;
  std::vector<Failure> failures_;
};

TEST_F(Features, ColorStatisticsAreTheMeanAndDeviationOfEveryChannel) {
  const Extractor e = make_extractor({.encoder = "color_statistics"}, *store_);
  const TileFeatures f = embed_tiles(store_, {4}, e, {});
  std::vector<uint8_t> buffer;
  data::Image tile;
  store_->read_image(4, buffer, tile);
  const int64_t side = std::min(tile.height, tile.width), left = (tile.width - side) / 2;
  for (int c = 0; c < 3; ++c) {
    double sum = 0, square = 0;
    const double n = static_cast<double>(side * side);
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = left; x < left + side; ++x) {
        const double v = tile.row(y)[3 * x + c] / 255.0;
        sum += v, square += v * v;
      }
    EXPECT_NEAR(f.features_ND[0][c].item<double>(), sum / n, 1e-5);
    EXPECT_NEAR(f.features_ND[0][3 + c].item<double>(), std::sqrt(square / n - sum / n * (sum / n)), 1e-4);
  }
}

TEST_F(Features, EverySlideHasAFileWhichIsKeptWhenItIsRight) {
  const Extractor e = make_extractor({.encoder = "color_statistics"}, *store_);
  EXPECT_EQ(extract(e).slides_skipped, 0);
  EXPECT_EQ(done_, 10);
  const auto files = data::list_features(out());
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(data::read_features(files[1]).features_ND.size(0), 5);
  { std::ofstream(files[1], std::ios::trunc) << "cut short"; }
  const ExtractionResult again = extract(e);
  EXPECT_EQ(again.slides_skipped, 2);
  EXPECT_EQ(again.tiles, 5);
  EXPECT_TRUE(failures_.empty());
}

TEST_F(Features, FeaturesOfOtherPixelsAreMadeAgain) {
  const Extractor e = make_extractor({.encoder = "color_statistics"}, *store_);
  extract(e);
  const std::string file = data::list_features(out())[1];
  data::SlideFeatures stale = data::read_features(file);
  EXPECT_EQ(stale.meta.tiles_crc32c.size(), 8U);
  stale.meta.tiles_crc32c = "00000000";
  stale.features_ND.zero_();
  data::write_features(file, stale);
  EXPECT_EQ(extract(e).slides_skipped, 2);
  EXPECT_GT(data::read_features(file).features_ND.abs().sum().item<double>(), 0);
}

TEST_F(Features, FeaturesOfAnotherEncoderAreNotMixedIn) {
  extract(make_extractor({.encoder = "color_statistics"}, *store_));
  EXPECT_THROW(extract(make_extractor({.encoder = "random:vit_tiny", .image_size_px = 32}, *store_)), Error);
}

TEST_F(Features, TheSameSeedGivesTheSameUntrainedEncoderForAnyBatchAndThreads) {
  const Extractor a = make_extractor({.encoder = "random:vit_tiny", .image_size_px = 32, .seed = 3}, *store_);
  const Extractor b = make_extractor({.encoder = "random:vit_tiny", .image_size_px = 32, .seed = 3}, *store_);
  const Extractor c = make_extractor({.encoder = "random:vit_tiny", .image_size_px = 32, .seed = 4}, *store_);
  EXPECT_EQ(a.weights_sha256, b.weights_sha256);
  EXPECT_NE(a.weights_sha256, c.weights_sha256);
  const Tensor one = embed_tiles(store_, {0, 1, 2, 3, 4}, a, {.batch_size = 5}).features_ND;
  const Tensor two = embed_tiles(store_, {0, 1, 2, 3, 4}, b, {.batch_size = 2, .threads = 3}).features_ND;
  EXPECT_TRUE(at::allclose(one, two, 1e-5, 1e-5));
}

TEST_F(Features, PoolingsAreClassMeanAndBothAndLast4) {
  const auto with = [&](const char* pooling) {
    return embed_tiles(store_, {0, 1}, make_extractor({.encoder = "random:vit_tiny", .pooling = pooling, .image_size_px = 32}, *store_), {})
        .features_ND;
  };
  EXPECT_TRUE(at::allclose(with("cls_mean"), at::cat({with("cls"), with("mean_patch")}, 1), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(with("auto"), with("cls"), 1e-5, 1e-6));
  const Tensor last4 = with("last4");
  EXPECT_EQ(last4.size(1), 5 * 192);
  EXPECT_TRUE(at::allclose(last4.slice(1, 3 * 192), with("cls_mean"), 1e-5, 1e-6));
}

TEST_F(Features, AStopEndsAtTheNextBatchAndWritesNoHalfSlide) {
  stop::request();
  const ExtractionResult r = extract(make_extractor({.encoder = "color_statistics"}, *store_), {.batch_size = 2});
  stop::reset();
  EXPECT_TRUE(r.stopped);
  EXPECT_FALSE(fs::exists(fs::path(out()) / (store_->slides()[1].id + ".h5")));
}

TEST_F(Features, UnknownNamesAndSizesAreConfigErrors) {
  EXPECT_THROW(make_extractor({.encoder = "random:vit_tny"}, *store_), Error);
  EXPECT_THROW(make_extractor({.encoder = "random:vit_tiny", .image_size_px = 33}, *store_), Error);
  EXPECT_THROW(make_extractor({.encoder = (folder_ / "absent")}, *store_), Error);
}

}  // namespace
}  // namespace eosin::eval
