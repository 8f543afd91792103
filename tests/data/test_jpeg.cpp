#include "data/jpeg.h"

#include "core/base/error.h"
#include "tests/data/store_fixture.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace eosin::data {
namespace {

std::vector<uint8_t> stream_of(int64_t height, int64_t width, Subsampling subsampling = Subsampling::k420) {
  std::vector<uint8_t> stream;
  encode_jpeg(test_picture(1, 2, height, width), 90, subsampling, stream);
  return stream;
}

Image decoded(std::span<const uint8_t> stream) {
  Image image;
  decode_jpeg(stream, image);
  return image;
}

size_t find_marker(const std::vector<uint8_t>& stream, uint8_t marker) {
  for (size_t i = 0; i + 1 < stream.size(); ++i)
    if (stream[i] == 0xFF && stream[i + 1] == marker) return i;
  return stream.size();
}

TEST(Jpeg, RoundTripIsCloseAndSaysWhatItIs) {
  for (const auto& [subsampling, name] : {std::pair(Subsampling::k444, "444"), {Subsampling::k422, "422"}, {Subsampling::k420, "420"}}) {
    const auto stream = stream_of(31, 47, subsampling);
    const JpegInfo info = read_jpeg_info(stream);
    EXPECT_EQ(info.height, 31);
    EXPECT_EQ(info.width, 47);
    EXPECT_EQ(info.components, 3);
    EXPECT_TRUE(info.baseline);
    EXPECT_EQ(info.subsampling, name);
    EXPECT_EQ(subsampling_from(name), subsampling);
    const Image image = decoded(stream);
    ASSERT_EQ(image.rgb.size(), 31u * 47u * 3u);
  }
  EXPECT_THROW(subsampling_from("411"), Error);
}

TEST(Jpeg, RefusesTruncationAtEveryByte) {
  const auto stream = stream_of(19, 23);
  for (size_t n = 0; n < stream.size(); ++n) EXPECT_THROW(decoded({stream.data(), n}), Error) << n;
}

TEST(Jpeg, FlippedBitsGiveAnErrorOrAPicture) {
  const auto stream = stream_of(19, 23);
  for (size_t i = 0; i < stream.size(); ++i)
    for (int bit : {0, 3, 7}) {
      auto bad = stream;
      bad[i] ^= static_cast<uint8_t>(1u << bit);
      try {
        decoded(bad);
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::Data);
      }
    }
}

TEST(Jpeg, HugeSizesAreRefusedBeforeMemoryIsTaken) {
  auto stream = stream_of(19, 23);
  const size_t frame = find_marker(stream, 0xC0);
  for (const auto& [high, low] : {std::pair(0x1F, 0xFF), {0x7F, 0xFF}, {0xFF, 0xFF}}) {
    stream[frame + 5] = stream[frame + 7] = static_cast<uint8_t>(high);
    stream[frame + 6] = stream[frame + 8] = static_cast<uint8_t>(low);
    EXPECT_THROW(decoded(stream), Error);
  }
}

/// A stream without tables of its own is refused, also right after one that had them on the same thread.
TEST(Jpeg, TablesOfAnEarlierPictureAreNotUsed) {
  const auto whole = stream_of(19, 23);
  decoded(whole);
  for (const uint8_t marker : {0xDB, 0xC4}) {
    auto stream = whole;
    for (size_t at; (at = find_marker(stream, marker)) < stream.size();) {
      const size_t length = size_t{stream[at + 2]} << 8 | stream[at + 3];
      stream.erase(stream.begin() + static_cast<int64_t>(at), stream.begin() + static_cast<int64_t>(at + 2 + length));
    }
    EXPECT_THROW(decoded(stream), Error);
    // The same tables given from outside, as a TIFF does.
    std::vector<uint8_t> tables = {0xFF, 0xD8};
    for (size_t at = 2; at + 4 < whole.size() && whole[at + 1] != 0xDA;) {
      const size_t length = 2 + (size_t{whole[at + 2]} << 8 | whole[at + 3]);
      if (whole[at + 1] == marker)
        tables.insert(tables.end(), whole.begin() + static_cast<int64_t>(at), whole.begin() + static_cast<int64_t>(at + length));
      at += length;
    }
    tables.insert(tables.end(), {0xFF, 0xD9});
    EXPECT_EQ(decoded(merge_jpeg_tables(tables, stream, false)).rgb, decoded(whole).rgb);
  }
}

TEST(Jpeg, RefusesBadSettings) {
  std::vector<uint8_t> out;
  EXPECT_THROW(encode_jpeg(test_picture(0, 0), 0, Subsampling::k420, out), Error);
  EXPECT_THROW(encode_jpeg(test_picture(0, 0), 101, Subsampling::k420, out), Error);
  EXPECT_THROW(encode_jpeg(Image(0, 5), 90, Subsampling::k420, out), Error);
  const uint8_t not_jpeg[] = {1, 2, 3, 4};
  EXPECT_THROW(merge_jpeg_tables(not_jpeg, stream_of(8, 8), false), Error);
}

TEST(Jpeg, NoisyPicturesOutgrowTheFirstBuffer) {
  std::mt19937 random(5);
  Image image(64, 64);
  for (auto& v : image.rgb) v = static_cast<uint8_t>(random());
  std::vector<uint8_t> stream;
  encode_jpeg(image, 100, Subsampling::k444, stream);
  EXPECT_GT(stream.size(), 64u * 64u + 4096u);
  EXPECT_EQ(decoded(stream).width, 64);
}

}  // namespace
}  // namespace eosin::data
