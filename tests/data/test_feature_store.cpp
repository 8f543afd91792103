#include "data/feature_store.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"
#include "tests/tensor/torch_archive_bytes.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::data {
namespace {

using testing::HasSubstr;

SlideFeatures sample(int64_t n, at::ScalarType type = at::kFloat) {
  SlideFeatures f;
  f.meta.name = "slide A";
  f.meta.encoder = "vit_tiny";
  f.meta.patch_size = 256, f.meta.patch_size_level0 = 512;
  f.meta.level0_magnification = 40, f.meta.target_magnification = 20;
  f.meta.level0_width = 1009, f.meta.level0_height = 907;
  f.meta.mpp = 0.5;
  f.features_ND = (at::arange(n * 13, at::kFloat).view({n, 13}) * 0.37).to(type);
  f.coords_N2 = at::arange(n * 2, at::kLong).view({n, 2}) * 512;
  return f;
}

TEST(FeatureStore, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  for (const auto type : {at::kFloat, at::kHalf})
    for (const int64_t n : {0, 1, 7, 2053}) {
      SlideFeatures want = sample(n, type);
      for (int64_t i = 0; i < n; ++i) want.ids.push_back("tile " + std::to_string(i));
      write_features(folder / "a.h5", want);
      const SlideFeatures got = read_features(folder / "a.h5");
      EXPECT_EQ(got.features_ND.scalar_type(), type);
      EXPECT_TRUE(got.features_ND.equal(want.features_ND));
      EXPECT_TRUE(got.coords_N2.equal(want.coords_N2));
      EXPECT_EQ(got.ids, want.ids);
      EXPECT_EQ(got.meta.name, "slide A");
      EXPECT_EQ(got.meta.encoder, "vit_tiny");
      EXPECT_EQ(got.meta.patch_size_level0, 512);
      EXPECT_EQ(got.meta.mpp, 0.5);
    }
  EXPECT_EQ(list_features(folder.path().string()).size(), 1u);
}

TEST(FeatureStore, HasTridentsLayout) {
  const TemporaryFolder folder;
  write_features(folder / "a.h5", sample(5));
  const SlideFile file = read_slide_file(folder / "a.h5");
  EXPECT_EQ(file.tensors.at("coords").scalar_type(), at::kLong);
  for (const char* name : {"name", "savetodir", "patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap",
                           "level0_width", "level0_height"})
    EXPECT_EQ(file.attributes.at("coords").count(name), 1u) << name;
  for (const char* name : {"name", "savetodir", "encoder"}) EXPECT_EQ(file.attributes.at("features").count(name), 1u) << name;
}

TEST(FeatureStore, ReadsOtherPrograms) {
  const TemporaryFolder folder;
  const std::vector<float> features = {1, 2, 3, 4, 5, 6};
  const std::vector<int32_t> coords = {0, 0, 256, 0};
  {
    h5::File f = h5::File::create(folder / "clam.h5");
    h5::Layout chunks;
    chunks.chunk = {1, 1, 3};
    chunks.extendible = true;
    f.write<float>("features", features, {1, 2, 3}, chunks);
    f.write<int32_t>("coords", coords, {2, 2});
    f.close();
  }
  const SlideFeatures clam = read_features(folder / "clam.h5");
  EXPECT_EQ(clam.features_ND.sizes(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(clam.coords_N2[1][0].item<int64_t>(), 256);
  EXPECT_EQ(clam.meta.name, "clam");
}

TEST(FeatureStore, ReadsClamsPtFiles) {
  const TemporaryFolder folder;
  const auto tensor = [](std::vector<float> values) {
    const auto rows = static_cast<int32_t>(values.size() / 2);
    return torch_archive(pickled::tensor({"0", "FloatStorage", 2 * rows, 0, {rows, 2}, {2, 1}}), {{"0", floats(values)}});
  };
  write_file(folder / "slide_1.pt", tensor({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(list_features(folder.path()), std::vector<std::string>{folder / "slide_1.pt"});
  const SlideFeatures got = read_features(folder / "slide_1.pt");
  EXPECT_EQ(got.features_ND.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(got.coords_N2.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(got.meta.name, "slide_1");
  write_file(folder / "slide_2.pt", tensor({1, NAN}));
  EXPECT_THAT(message_of([&] { read_features(folder / "slide_2.pt"); }, ErrorKind::Data), HasSubstr("1 of 2"));
  write_file(folder / "slide_3.pt", small_torch_archive());
  EXPECT_THAT(message_of([&] { read_slide_file(folder / "slide_3.pt"); }, ErrorKind::Data), HasSubstr("2 named tensors"));
}

TEST(FeatureStore, RefusesWhatIsNotSound) {
  const TemporaryFolder folder;
  const auto write = [&](std::vector<float> features, uint64_t rows, std::vector<int32_t> coords) {
    h5::File f = h5::File::create(folder / "bad.h5");
    f.write<float>("features", features, {rows, features.size() / rows});
    f.write<int32_t>("coords", coords, {coords.size() / 2, 2});
    f.close();
  };
  write({1, 2, 3, 4}, 2, {0, 0});
  EXPECT_THAT(message_of([&] { read_features(folder / "bad.h5"); }, ErrorKind::Data), HasSubstr("rows"));
  write({1, NAN, INFINITY, 4}, 2, {0, 0, 1, 1});
  EXPECT_THAT(message_of([&] { read_features(folder / "bad.h5"); }, ErrorKind::Data), testing::AllOf(HasSubstr("2 of 4"), HasSubstr("row 0")));
  write({1, 2, 3, NAN, 5, 6}, 3, {0, 0, 1, 1, 2, 2});
  EXPECT_THAT(message_of([&] { read_features(folder / "bad.h5"); }, ErrorKind::Data), HasSubstr("row 1"));
  const SlideFeatures kept = read_features(folder / "bad.h5", NonFinite::DropRow);
  EXPECT_EQ(kept.dropped_rows, 1);
  EXPECT_TRUE(kept.features_ND.equal(at::tensor({1.0f, 2.0f, 5.0f, 6.0f}).view({2, 2})));
  EXPECT_TRUE(kept.coords_N2.equal(at::tensor({0, 0, 2, 2}, at::kLong).view({2, 2})));
  message_of([&] { read_features(folder / "absent.h5"); }, ErrorKind::Io);

  SlideFeatures wrong = sample(3);
  wrong.coords_N2 = wrong.coords_N2.slice(0, 0, 2);
  message_of([&] { write_features(folder / "out.h5", wrong); }, ErrorKind::Shape);
  SlideFeatures infinite = sample(3);
  infinite.features_ND[1][2] = INFINITY;
  EXPECT_THAT(message_of([&] { write_features(folder / "out.h5", infinite); }, ErrorKind::Numeric), HasSubstr("1 of 39"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5.tmp"));
}

TEST(FeatureStore, AFlippedBitIsNamed) {
  const TemporaryFolder folder;
  SlideFeatures f = sample(5);
  f.ids = {"a", "b", "tile-of-row-2", "d", "e"};
  f.features_ND.fill_(0.123456f);
  f.coords_N2.fill_(0x12345678);
  write_features(folder / "a.h5", f);
  const auto bytes = bytes_of(folder / "a.h5");
  const auto little_endian = [](auto value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  for (const auto& [dataset, pattern] :
       {std::pair("features", little_endian(0.123456f)), {"coords", little_endian(int32_t{0x12345678})}, {"ids", f.ids[2]}}) {
    const size_t at = std::string(bytes.begin(), bytes.end()).find(pattern);
    ASSERT_NE(at, std::string::npos) << dataset;
    auto flipped = bytes;
    flipped[at] ^= 1;
    write_bytes(folder / "a.h5", flipped);
    EXPECT_THAT(message_of([&] { read_features(folder / "a.h5"); }, ErrorKind::Data), testing::AllOf(HasSubstr("a.h5"), HasSubstr(dataset)));
  }
  write_bytes(folder / "a.h5", {bytes.begin(), bytes.end() - 1});
  message_of([&] { read_features(folder / "a.h5"); }, ErrorKind::Data);
}

TEST(FeatureStore, MetaComesFromTheStore) {
  const TemporaryFolder folder;
  write_store(folder / "store", {2, 3});
  const FeatureMeta meta = feature_meta(TileStore(folder / "store"), 1);
  EXPECT_EQ(meta.name, "B");
  EXPECT_EQ(meta.patch_size, kTestWidth);
  EXPECT_EQ(meta.patch_size_level0, 46);
  EXPECT_EQ(meta.level0_magnification, 40);
  EXPECT_EQ(meta.target_magnification, 20);
}

}  // namespace
}  // namespace eosin::data
