#include "data/tile_order.h"

#include "core/base/error.h"
#include "data/store_manifest.h"
#include "data/store_merge.h"
#include "data/store_source.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

config::Choice choice(const std::vector<std::string>& keys) {
  struct Holder {
    config::Choice order{tile_orders(), "uniform"};
    void visit(config::Visitor& v) { v("order", order, "-"); }
  } holder;
  config::Source source;
  for (const auto& key : keys) source.override_with(key);
  config::read(source, holder);
  return holder.order;
}

std::vector<TileGroup> groups_of(const std::vector<uint64_t>& sizes) {
  std::vector<TileGroup> groups;
  uint64_t first = 0;
  for (size_t g = 0; g < sizes.size(); ++g) {
    groups.push_back({std::string(1, static_cast<char>('a' + g)), {}});
    groups.back().tiles.add({first, sizes[g]});
    first += sizes[g];
  }
  return groups;
}

std::vector<uint64_t> quotas(const QuotaConfig& config, const std::vector<uint64_t>& sizes) {
  std::vector<uint64_t> numbers;
  for (const auto& q : make_quotas(config, groups_of(sizes))) numbers.push_back(q.quota);
  return numbers;
}

TEST(TileRanges, AreListsOfNumbers) {
  TileRanges ranges;
  for (const TileRange r : {TileRange{7, 3}, {10, 1}, {100, 0}, {2, 2}, {11, 1}}) ranges.add(r);
  ASSERT_EQ(ranges.size(), 7u);
  EXPECT_EQ(ranges.n_ranges(), 3u);
  EXPECT_EQ(ranges.range(0), (TileRange{7, 4}));
  EXPECT_EQ(ranges.range(2), (TileRange{11, 1}));
  std::vector<uint64_t> all;
  for (uint64_t i = 0; i < ranges.size(); ++i) all.push_back(ranges[i]);
  EXPECT_EQ(all, (std::vector<uint64_t>{7, 8, 9, 10, 2, 3, 11}));
}

TEST(Quotas, FollowSizeTemperatureCapAndWeights) {
  EXPECT_EQ(quotas({.round = 100}, {1, 4, 5}), (std::vector<uint64_t>{10, 40, 50}));
  EXPECT_EQ(quotas({.temperature = 0, .round = 9}, {1, 4, 5}), (std::vector<uint64_t>{3, 3, 3}));
  EXPECT_EQ(quotas({.temperature = 0.5, .round = 60}, {100, 400, 900}), (std::vector<uint64_t>{10, 20, 30}));
  EXPECT_EQ(quotas({.cap = 4, .round = 90}, {1, 4, 500}), (std::vector<uint64_t>{10, 40, 40}));
  EXPECT_EQ(quotas({.weights = {"b=3", "c=0"}, .round = 70}, {4, 8, 5}), (std::vector<uint64_t>{10, 60, 0}));
  EXPECT_EQ(quotas({.temperature = 0, .round = 30}, {7, 0, 7}), (std::vector<uint64_t>{15, 0, 15})) << "a group without tiles gets nothing";
}

TEST(Quotas, AreWholeNumbersThatSumToTheRound) {
  EXPECT_EQ(quotas({.round = 10}, {1, 1, 1}), (std::vector<uint64_t>{4, 3, 3})) << "of equal remainders the earlier group's";
  EXPECT_EQ(quotas({.round = 2}, {1, 1, 1}), (std::vector<uint64_t>{1, 1, 0}));
  const auto by_default = quotas({}, {1, 2});
  EXPECT_EQ(by_default[0] + by_default[1], 1000u);
  EXPECT_EQ(quotas({.temperature = 0}, std::vector<uint64_t>(17, 5)), std::vector<uint64_t>(17, 100));
}

TEST(Quotas, NameWhatIsWrongWithAWeight) {
  const auto message = [](std::vector<std::string> weights) {
    return message_of([&] { quotas({.by = "slide", .weights = std::move(weights)}, {1, 2}); }, ErrorKind::Config);
  };
  EXPECT_THAT(message({"a"}), HasSubstr("'a' is no weight"));
  EXPECT_THAT(message({"a=x"}), HasSubstr("'a=x' is no weight"));
  EXPECT_THAT(message({"a=-1"}), HasSubstr("no weight"));
  EXPECT_THAT(message({"A=1"}), HasSubstr("no slide 'A'; did you mean 'a'?"));
  EXPECT_THAT(message({"a=1", "a=2"}), HasSubstr("twice"));
  EXPECT_THAT(message({"a=0", "b=0"}), HasSubstr("no slide with tiles has a weight above 0"));
}

/// Two stores of two shards (slides A and B of 5 and 6 tiles; C and D) and one whose tiles were shuffled.
struct Stores {
  Stores() {
    write_store(folder / "one", {5, 6});
    StoreSettings settings = test_settings();
    TileStoreWriter writer(folder / "two", settings, {"C", "D"});
    write_slide(writer, "C", 2, 7, settings.codec);
    write_slide(writer, "D", 3, 4, settings.codec);
    writer.close();
    fs::create_directories(folder / "shuffled");
    merge_shards({folder / "one/shard-00000.h5"}, folder / "shuffled/shard-00000.h5", 3);
  }
  StoreSource both() const { return StoreSource({folder / "one", folder / "two"}); }
  TemporaryFolder folder;
};

std::map<std::string, std::vector<uint64_t>> tiles_of(const std::vector<TileGroup>& groups) {
  std::map<std::string, std::vector<uint64_t>> all;
  for (const auto& g : groups)
    for (uint64_t i = 0; i < g.tiles.size(); ++i) all[g.name].push_back(g.tiles[i]);
  return all;
}

TEST(StoreSource, JoinsStoresAndTheirSlides) {
  const Stores stores;
  const StoreSource both = stores.both();
  EXPECT_EQ(both.n_tiles(), 22u);
  EXPECT_EQ(both.id({10, 0}).slide, 1);
  EXPECT_EQ(both.id({11, 0}).slide, 2);
  EXPECT_EQ(both.id({18, 0}).slide, 3);
  EXPECT_EQ(both.file(12), stores.folder / "two/shard-00000.h5");
  std::vector<uint8_t> buffer;
  Image tile;
  both.read_image({18, 0}, buffer, tile);
  Image want;
  decode_jpeg(test_record(3, 0, Codec::kJpeg), want);
  EXPECT_EQ(tile.rgb, want.rgb);
  both.will_read({{0, 22}, {3, 1}});
  EXPECT_NE(both.digest(), StoreSource({stores.folder / "two", stores.folder / "one"}).digest());
  EXPECT_THAT(message_of(
                  [&] {
                    StoreSource({stores.folder / "one", stores.folder / "one/shard-00000.h5"});
                  },
                  ErrorKind::Config),
              HasSubstr("hold the same tiles"));
}

TEST(StoreSource, GroupsByStoreSlidePatientAndColumn) {
  const Stores stores;
  const StoreSource both = stores.both();
  const auto by_slide = tiles_of(both.groups("slide"));
  EXPECT_EQ(by_slide.at("B"), (std::vector<uint64_t>{5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(by_slide.at("D"), (std::vector<uint64_t>{18, 19, 20, 21}));
  EXPECT_EQ(both.groups("store").size(), 2u);
  EXPECT_EQ(both.groups("patient")[2].name, "patient of C");
  EXPECT_EQ(both.groups("stain").front().name, "(unknown)");
  EXPECT_EQ(both.groups("stain").front().tiles.n_ranges(), 1u);
  EXPECT_EQ(both.groups("class")[6].name, "class of B 1");
  EXPECT_EQ(both.groups("class")[6].tiles[0], 6u);
  EXPECT_THAT(message_of([&] { both.groups("organ"); }, ErrorKind::Config),
              HasSubstr("no column 'organ' that groups its tiles; need slide, patient"));
}

TEST(StoreSource, GroupsOfShuffledTilesAreCountedOneByOne) {
  const Stores stores;
  const StoreSource shuffled({stores.folder / "shuffled"});
  const auto by_slide = tiles_of(shuffled.groups("slide"));
  EXPECT_EQ(by_slide.at("A").size(), 5u);
  EXPECT_EQ(by_slide.at("B").size(), 6u);
  for (const uint64_t i : by_slide.at("A")) EXPECT_EQ(shuffled.id({i, 0}).y, 0);
}

TEST(StoreSource, GroupsByTheManifestOpenNoShard) {
  const Stores stores;
  fs::resize_file(stores.folder / "one/shard-00000.h5", fs::file_size(stores.folder / "one/shard-00000.h5"));
  const auto before = read_manifest(stores.folder / "one/store.json").shards;
  ASSERT_EQ(before.size(), 1u);
  ASSERT_TRUE(before[0].slides.has_value());
  EXPECT_EQ((*before[0].slides)[1].patient, "patient of B");
  // A shard of the right size that holds nothing at all.
  write_bytes(stores.folder / "one/shard-00000.h5", std::vector<uint8_t>(before[0].bytes));
  const StoreSource source({stores.folder / "one"});
  EXPECT_EQ(source.groups("slide")[1].tiles.size(), 6u);
  EXPECT_THROW(source.id({0, 0}), Error);
}

TEST(TileOrder, QuotasAreServedFromTheirGroups) {
  const Stores stores;
  const StoreSource both = stores.both();
  const TileOrder order(choice({"order.name=quota", "order.by=slide", "order.temperature=0", "order.round=12", "order.weights=[D=3]"}), both, 5);
  std::vector<uint64_t> numbers;
  for (const auto& q : order.quotas()) numbers.push_back(q.quota);
  EXPECT_EQ(numbers, (std::vector<uint64_t>{2, 2, 2, 6}));
  std::map<uint64_t, int> drawn;
  for (uint64_t round = 0; round < 10; ++round) {
    std::map<int32_t, uint64_t> of_slide;
    for (uint64_t p = 0; p < 12; ++p) {
      const uint64_t index = order.at(12 * round + p);
      ++of_slide[both.id({index, 0}).slide], ++drawn[index];
    }
    EXPECT_EQ(of_slide, (std::map<int32_t, uint64_t>{{0, 2}, {1, 2}, {2, 2}, {3, 6}}));
  }
  for (uint64_t i = 18; i < 22; ++i) EXPECT_EQ(drawn[i], 15) << "60 draws on 4 tiles, without repetition";
}

TEST(TileOrder, AReplacementIsOfTheSameGroup) {
  const Stores stores;
  const StoreSource both = stores.both();
  const TileOrder order(choice({"order.name=quota", "order.by=slide"}), both, 5);
  std::set<uint64_t> seen;
  for (uint64_t p = 0; p < 40; ++p)
    for (uint64_t attempt = 1; attempt < 8; ++attempt) {
      const uint64_t other = order.replacement(p, attempt);
      EXPECT_EQ(both.id({other, 0}).slide, both.id({order.at(p), 0}).slide);
      seen.insert(other);
    }
  EXPECT_GT(seen.size(), 18u);
  std::set<int32_t> slides;
  for (uint64_t attempt = 17; attempt < 60; ++attempt) slides.insert(both.id({order.replacement(0, attempt), 0}).slide);
  EXPECT_EQ(slides.size(), 4u) << "a group that is all bad does not end the run";
}

TEST(TileOrder, AScheduleIsFollowed) {
  const Stores stores;
  const std::string path = stores.folder / "order.npy";
  const std::string dict = "{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }";
  std::vector<uint8_t> npy = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<uint8_t>(dict.size()), 0};
  npy.insert(npy.end(), dict.begin(), dict.end());
  for (const uint8_t i : {20, 3, 3}) npy.insert(npy.end(), {i, 0, 0, 0});
  write_bytes(path, npy);
  const StoreSource both = stores.both();
  const TileOrder order(choice({"order.name=schedule", "order.file=" + path}), both, 5);
  EXPECT_EQ(order.at(0), 20u);
  EXPECT_EQ(order.at(2), 3u);
  EXPECT_EQ(order.at(3), 20u);
  EXPECT_FALSE(order.digest().empty());
  npy[npy.size() - 4] = 22;
  write_bytes(path, npy);
  EXPECT_THAT(message_of(
                  [&] {
                    TileOrder(choice({"order.name=schedule", "order.file=" + path}), both, 5);
                  },
                  ErrorKind::Data),
              HasSubstr("names tile 22, but there are 22"));
}

TEST(TileOrder, WindowsOfBlocksHoldWhatTheirPositionsDraw) {
  for (const uint64_t n : {997, 1000, 64}) {
    const auto sampler = block_sampler(n, 32, 4, 5);
    for (uint64_t p = 0; p < 2 * n;) {
      const SampleWindow window = *sampler->window(p);
      ASSERT_EQ(window.begin, p);
      std::set<uint64_t> records, drawn;
      for (const TileRange r : window.records)
        for (uint64_t i = 0; i < r.count; ++i) records.insert(r.first + i);
      for (; p < window.end; ++p) drawn.insert(sampler->at(p).index);
      EXPECT_EQ(drawn, records);
    }
  }
  EXPECT_FALSE(uniform_sampler(9, 1)->window(0));
}

}  // namespace
}  // namespace eosin::data
