#include "data/cached_features.h"

#include "data/feature_layout.h"
#include "data/view_presets.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::data {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

/// Features of every tile i of a store are i and -i; those of `unread` are left out.
void write_cache(const TileStore& store, const std::string& folder, int64_t unread = -1) {
  fs::create_directories(folder);
  for (const FeatureFile& file : feature_files(store, folder)) {
    std::vector<int64_t> read = file.indices;
    std::erase(read, unread);
    SlideFeatures features;
    features.meta = file.meta;
    features.meta.weights_sha256 = std::string(64, 'b'), features.meta.transform = "resize 4 bicubic";
    features.meta.tiles_crc32c = tiles_checksum(store, file.indices);
    features.coords_N2 = tile_coords(store, read);
    const Tensor number = at::tensor(read, at::kLong).to(at::kFloat);
    features.features_ND = at::stack({number, -number}, 1);
    if (!file.ids.empty())
      for (const int64_t i : read) features.ids.push_back(file.ids[static_cast<size_t>(i)]);
    write_features(file.path, features);
  }
}

TEST(CachedFeatures, ATileGetsItsOwnRow) {
  const TemporaryFolder folder;
  write_store(folder / "tiles", {3, 5, 2});
  const TileStore store(folder / "tiles");
  write_cache(store, folder / "cache");
  const CachedFeatures cache(store, folder / "cache");
  EXPECT_EQ(cache.dim(), 2);
  EXPECT_EQ(cache.transform(), "resize 4 bicubic");
  EXPECT_TRUE(cache.rows({9, 0, 4, 4}).select(1, 0).equal(at::tensor({9.0f, 0.0f, 4.0f, 4.0f})));
}

TEST(CachedFeatures, ATileThatWasNotReadHasNone) {
  const TemporaryFolder folder;
  write_store(folder / "tiles", {3, 5, 2});
  const TileStore store(folder / "tiles");
  write_cache(store, folder / "cache", 4);
  const CachedFeatures cache(store, folder / "cache");
  EXPECT_TRUE(cache.rows({3, 5, 7, 8}).select(1, 1).equal(at::tensor({-3.0f, -5.0f, -7.0f, -8.0f})));
  EXPECT_THAT(message_of([&] { cache.rows({3, 4}); }, ErrorKind::Data), HasSubstr("no feature of tile 4"));
}

TEST(CachedFeatures, PicturesAreFoundByTheirIds) {
  const TemporaryFolder folder;
  const StoreSettings settings = test_settings();
  TileStoreWriter writer(folder / "tiles", settings, {"A"});
  SlidePart part = writer.begin("A");
  TextColumns columns;
  for (size_t t = 0; t < 4; ++t) {
    TileRow row = test_tile(0, t);
    row.x = row.y = 0;
    part.append(row, test_record(0, t, settings.codec));
    columns["id"].push_back("picture " + std::to_string(t));
  }
  writer.finish(std::move(part), test_slide("A"), columns);
  writer.close();
  const TileStore store(folder / "tiles");
  write_cache(store, folder / "cache", 1);
  const CachedFeatures cache(store, folder / "cache");
  EXPECT_TRUE(cache.rows({3, 0, 2}).select(1, 0).equal(at::tensor({3.0f, 0.0f, 2.0f})));
  EXPECT_THAT(message_of([&] { cache.rows({1}); }, ErrorKind::Data), HasSubstr("no feature of tile 1"));
}

TEST(CachedFeatures, FeaturesOfOtherTilesAreRefused) {
  const TemporaryFolder folder;
  write_store(folder / "tiles", {3, 5, 2});
  write_store(folder / "others", {3, 4, 2});
  const TileStore store(folder / "tiles"), others(folder / "others");
  write_cache(store, folder / "cache");
  EXPECT_THAT(message_of([&] { CachedFeatures(others, folder / "cache"); }, ErrorKind::Data), HasSubstr("holds features of other tiles"));
  fs::remove(folder / "cache/B.h5");
  EXPECT_THAT(message_of([&] { CachedFeatures(store, folder / "cache"); }, ErrorKind::Data), HasSubstr("B.h5] is missing; embed the store"));
}

TEST(ViewPresets, ChangesOfAViewAreItsKeys) {
  EXPECT_THAT(changes_of(view_preset("supervised")), testing::ElementsAre("global", "ratio", "flip"));
  EXPECT_THAT(changes_of(view_preset("pathology")), testing::IsSupersetOf({"n_local", "hed_p", "jitter_p", "gray_p", "blur_p"}));
  MultiCropConfig whole = view_preset("supervised");
  whole.global = whole.ratio = {1, 1}, whole.flip = "none";
  EXPECT_THAT(changes_of(whole), testing::IsEmpty());
}

}  // namespace
}  // namespace eosin::data
