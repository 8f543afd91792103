#include "data/store_merge.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "data/sampler.h"
#include "data/store_export.h"
#include "data/store_verify.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gtest/gtest.h>

namespace eosin::data {
namespace {

std::vector<uint8_t> record(const Shard& shard, uint64_t i) {
  std::vector<uint8_t> buffer;
  const auto bytes = shard.read(i, buffer);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::string> two_shards(const TemporaryFolder& folder, Codec codec) {
  StoreSettings settings = test_settings(codec);
  settings.max_shard_bytes = 1;
  return write_store(folder / "store", {3, 5}, settings);
}

TEST(StoreMerge, CopiesBytesIndexAndColumns) {
  for (const Codec codec : {Codec::kJpeg, Codec::kRaw}) {
    const TemporaryFolder folder;
    const auto shards = two_shards(folder, codec);
    merge_shards({shards[1], shards[0]}, folder / "merged.h5");
    const Shard a(shards[0]), b(shards[1]), merged(folder / "merged.h5");
    ASSERT_EQ(merged.n_tiles(), 8u);
    EXPECT_TRUE(merged.header().ordered_by_slide);
    EXPECT_EQ(merged.slides()[0].id, "B");
    EXPECT_EQ(merged.slides()[1].first, 5u);
    const auto classes = merged.column("class");
    for (uint64_t i = 0; i < 8; ++i) {
      EXPECT_EQ(record(merged, i), i < 5 ? record(b, i) : record(a, i - 5));
      EXPECT_EQ(merged.tile(i).crc32c, i < 5 ? b.tile(i).crc32c : a.tile(i - 5).crc32c);
      EXPECT_EQ(classes[i], i < 5 ? b.column("class")[i] : a.column("class")[i - 5]);
    }
    EXPECT_TRUE(verify_store(TileStore(folder / "merged.h5"), true, 1).empty());
  }
}

TEST(StoreMerge, ShufflesByThePermutation) {
  const TemporaryFolder folder;
  const auto shards = two_shards(folder, Codec::kJpeg);
  merge_shards(shards, folder / "plain.h5");
  merge_shards(shards, folder / "shuffled.h5", 11);
  const Shard plain(folder / "plain.h5"), shuffled(folder / "shuffled.h5");
  EXPECT_FALSE(shuffled.header().ordered_by_slide);
  EXPECT_EQ(shuffled.slides()[1].first, 0u);
  EXPECT_EQ(shuffled.slides()[1].count, 5u);
  const Permutation order(8, 11, 0);
  for (uint64_t p = 0; p < 8; ++p) {
    EXPECT_EQ(record(shuffled, p), record(plain, order(p)));
    EXPECT_EQ(shuffled.column("class")[p], plain.column("class")[order(p)]);
  }
}

/// Tiles of two scales in one store: each is exported with its own.
TEST(StoreMerge, TilesKeepTheirScale) {
  const TemporaryFolder folder;
  const auto half = write_store(folder / "half", {2});
  StoreSettings coarse = test_settings();
  coarse.target_mpp = 1;
  TileStoreWriter writer(folder / "one", coarse, {"B"});
  SlidePart part = writer.begin("B");
  for (size_t t = 0; t < 2; ++t) {
    TileRow row = test_tile(1, t);
    row.level0_size = 92;
    part.append(row, test_record(1, t, Codec::kJpeg));
  }
  writer.finish(std::move(part), test_slide("B"), {{"class", {"x", "y"}}});
  merge_shards({half[0], writer.close()[0]}, folder / "merged.h5");
  export_tiles(TileStore(folder / "merged.h5"), folder / "out", PictureFormat::kJpeg);
  const CsvTable table = CsvTable::read(folder / "out/tiles.csv");
  std::vector<std::string> mpp;
  for (size_t i = 0; i < table.size(); ++i) mpp.push_back(table.row(i)[table.column("mpp")]);
  EXPECT_EQ(mpp, (std::vector<std::string>{"0.5", "0.5", "1.0", "1.0"}));
}

TEST(StoreMerge, ASlideOfTwoScalesIsRefused) {
  const TemporaryFolder folder;
  const auto shards = two_shards(folder, Codec::kJpeg);
  TileStoreWriter writer(folder / "same-id", test_settings(), {"A"});
  SlideRow row = test_slide("A");
  row.mpp_x = row.mpp_y = 0.5;
  writer.finish(writer.begin("A"), row);
  const auto twin = writer.close();
  EXPECT_NE(message_of([&] { merge_shards({shards[0], twin[0]}, folder / "out.h5"); }, ErrorKind::Data).find("um/px"), std::string::npos);
}

TEST(StoreMerge, RefusesWhatDoesNotGoTogether) {
  const TemporaryFolder folder;
  const auto shards = two_shards(folder, Codec::kJpeg);
  EXPECT_THROW(merge_shards({shards[0], shards[0]}, folder / "out.h5"), Error);
  EXPECT_THROW(merge_shards({}, folder / "out.h5"), Error);
  const auto raw = write_store(folder / "raw", {2}, test_settings(Codec::kRaw));
  EXPECT_THROW(merge_shards({shards[0], raw[0]}, folder / "out.h5"), Error);
  StoreSettings larger = test_settings();
  larger.tile_height = 29;
  const auto other = write_store(folder / "other", {0}, larger);
  EXPECT_THROW(merge_shards({shards[0], other[0]}, folder / "out.h5"), Error);
  {
    TileStoreWriter writer(folder / "same-id", test_settings(), {"A"});
    SlidePart part = writer.begin("A");
    SlideRow row = test_slide("A");
    row.sha256 = std::string(64, 'f');
    writer.finish(std::move(part), row);
    const auto twin = writer.close();
    EXPECT_THROW(merge_shards({shards[0], twin[0]}, folder / "out.h5"), Error);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5.tmp"));
}

}  // namespace
}  // namespace eosin::data
