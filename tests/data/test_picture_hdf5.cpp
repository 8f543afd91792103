#include "data/picture_hdf5.h"

#include "core/base/atomic_file.h"
#include "core/tensor/hdf5.h"
#include "data/image_import.h"
#include "tests/checkout.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr size_t kFlipStride = 41;
constexpr uint64_t kRows = 150;  // more than are read at once

/// A bag of CLAM's: pictures 0..n-1 of one slide at a patch level of downsample 4, halved by CLAM itself.
void write_bag(const std::string& path, uint64_t n, bool attributes = true, std::vector<uint64_t> coords_shape = {}) {
  h5::File file = h5::File::create(path);
  std::vector<uint8_t> pixels;
  std::vector<int32_t> coords;
  for (uint64_t i = 0; i < n; ++i) {
    const Image image = test_picture(0, i);
    pixels.insert(pixels.end(), image.rgb.begin(), image.rgb.end());
    coords.insert(coords.end(), {static_cast<int32_t>(10 * i), 7});
  }
  file.write<uint8_t>("imgs", pixels, {n, kTestHeight, kTestWidth, 3}, {.chunk = {1, kTestHeight, kTestWidth, 3}, .extendible = true});
  if (coords_shape.empty()) coords_shape = {n, 2};
  coords.resize(coords_shape[0] * 2);
  file.write<int32_t>("coords", coords, coords_shape, {.chunk = {1, 2}, .extendible = true});
  if (attributes) {
    const std::array<double, 2> downsample = {4, 4};
    const std::array<int64_t, 2> level = {998, 888}, read = {499, 444};
    file.set_attribute<double>("imgs", "downsample", downsample, {2});
    file.set_attribute<int64_t>("imgs", "level_dim", level, {2});
    file.set_attribute<int64_t>("imgs", "downsampled_level_dim", read, {2});
    file.set_text("imgs", "wsi_name", "slide 1", true);
  }
  file.close();
}

TEST(PictureHdf5, ClamBagsGetLevel0Coordinates) {
  const TemporaryFolder folder;
  write_bag(folder / "bag.h5", kRows);
  ImportConfig config;
  config.out = folder / "store";
  config.encoding.codec = "raw";
  const ImportResult result = import_images(folder / "bag.h5", config);
  EXPECT_EQ(result.tiles, static_cast<int64_t>(kRows));
  const TileStore store(folder / "store");
  EXPECT_EQ(store.slides()[0].id, "bag");
  EXPECT_EQ(store.column("id")[149], "bag/149");
  EXPECT_EQ(store.tile(3).x, 30 * 8);
  EXPECT_EQ(store.tile(3).y, 7 * 8);
  EXPECT_EQ(store.tile(3).level0_size, 8 * kTestWidth);
  std::vector<uint8_t> buffer;
  Image image;
  for (const uint64_t i : {uint64_t{0}, uint64_t{63}, uint64_t{64}, kRows - 1}) {
    store.read_image(i, buffer, image);
    EXPECT_EQ(image.rgb, test_picture(0, i).rgb) << i;
  }
}

TEST(PictureHdf5, BagsThatAreNoneAreRefused) {
  const TemporaryFolder folder;
  ImportConfig config;
  config.out = folder / "store";
  const auto refusal = [&] { return message_of([&] { import_images(folder / "bag.h5", config); }, ErrorKind::Data); };
  write_bag(folder / "bag.h5", 3, false);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("bag.h5"), HasSubstr("downsample")));
  write_bag(folder / "bag.h5", 3, true, {2, 2});
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("coords"), HasSubstr("[2, 2]")));
  write_bag(folder / "bag.h5", 3);
  const std::string whole = read_file(folder / "bag.h5");
  write_file(folder / "bag.h5", whole.substr(0, whole.size() - 100));
  EXPECT_THAT(refusal(), HasSubstr("bag.h5"));
  h5::File other = h5::File::create(folder / "bag.h5");
  other.write<float>("imgs", std::vector<float>(12), {1, 2, 2, 3});
  other.close();
  EXPECT_THAT(refusal(), HasSubstr("uint8"));
  other = h5::File::create(folder / "bag.h5");
  other.write<float>("weights", std::vector<float>(12), {12});
  other.close();
  EXPECT_THAT(refusal(), HasSubstr("neither imgs, coords nor JPEG streams"));
}

/// The file was written by h5py: five streams, of which the fourth is cut short.
TEST(PictureHdf5, JpegStreamsAreCopied) {
  const TemporaryFolder folder;
  const std::string path = source_dir() + "/tests/cases/hdf5/h5py_vlen_jpeg.h5";
  ImportConfig config;
  config.out = folder / "store";
  EXPECT_THAT(message_of([&] { import_images(path, config); }, ErrorKind::Data), testing::AllOf(HasSubstr("1 of 5"), HasSubstr("images[3]")));
  config.max_bad_fraction = 0.2;
  config.out = folder / "lenient";
  const ImportResult result = import_images(path, config);
  EXPECT_EQ(result.copied, 4);
  EXPECT_THAT(result.failures.at("h5py_vlen_jpeg/3"), HasSubstr("images[3]"));
  const TileStore store(config.out);
  EXPECT_EQ(store.column("class"), (std::vector<std::string>{"2", "0", "1", "2"}));
  EXPECT_EQ(store.slides()[0].id, "007");
  EXPECT_EQ(store.slides()[1].patient, "8");
  EXPECT_EQ(store.tile(3).x, 92);
  std::vector<uint8_t> buffer;
  const auto bytes = store.read(0, buffer);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), h5::File::open(path).read_bytes("images", 0, 1)[0]);
}

TEST(PictureHdf5, DamageIsNoCrash) {
  const TemporaryFolder folder;
  const std::string whole = read_file(source_dir() + "/tests/cases/hdf5/h5py_vlen_jpeg.h5");
  const auto read = [&](const std::string& bytes) {
    std::ofstream(folder / "b.h5", std::ios::binary) << bytes;
    int64_t pictures = 0;
    try {
      const ImageTable table = read_jpeg_hdf5(folder / "b.h5", {});
      for (const ImageEntry& e : table.entries) pictures += !std::get<std::string>(table.read(e)).empty();
    } catch (const Error&) {
    }
    return pictures;
  };
  for (size_t cut = 0; cut < whole.size(); cut += 151) EXPECT_LT(read(whole.substr(0, cut)), 5) << cut;
  for (size_t at = 0; at < whole.size(); at += kFlipStride) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    read(flipped);
  }
}

TEST(PictureHdf5, MeasuringTouchesNothing) {
  const TemporaryFolder folder;
  write_bag(folder / "bag.h5", 3);
  ImportConfig config;
  config.out = folder / "store";
  const ImportAmounts amounts = measure_import(folder / "bag.h5", config);
  EXPECT_EQ(amounts.format, "clam_bags");
  EXPECT_EQ(amounts.pictures, 3);
  EXPECT_EQ(amounts.slides, 1);
  EXPECT_EQ(amounts.columns, std::vector<std::string>{"id"});
  EXPECT_FALSE(fs::exists(config.out));
}

}  // namespace
}  // namespace eosin::data
