#include "data/jpeg.h"
#include "data/loader.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <numeric>
#include <set>
#include <thread>

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/contact_sheet.h"
#include "data/png.h"
#include "data/store_source.h"
#include "data/tile_reader.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

MultiCropConfig small_views() {
  MultiCropConfig config = view_preset("dinov2");
  config.global_size_px = 13, config.local_size_px = 7, config.n_local = 3;
  return config;
}

LoaderPlace place(int64_t batch, int64_t threads = 2, int64_t rank = 0, int64_t world = 1) {
  return {.seed = 17, .rank = rank, .world = world, .local_batch = batch, .threads = threads};
}

std::shared_ptr<const TileStore> open_store(const TemporaryFolder& folder, const std::vector<size_t>& tiles = {5, 6, 8}) {
  if (!fs::exists(folder / "store")) write_store(folder / "store", tiles);
  return std::make_shared<TileStore>(folder / "store");
}

std::shared_ptr<const TileSource> open_source(const TemporaryFolder& folder, const std::vector<size_t>& tiles = {5, 6, 8}) {
  return std::make_shared<StoreSource>(open_store(folder, tiles));
}

/// Flips a bit in the stored bytes of the given tiles of a one-shard store.
void corrupt(const TemporaryFolder& folder, const std::vector<uint64_t>& tiles) {
  std::string path;
  uint64_t payload = 0;
  std::vector<uint64_t> at;
  {
    const TileStore store(folder / "store");
    const Shard& shard = store.shard(0);
    path = shard.path();
    payload = shard.payload_offset();
    for (const uint64_t t : tiles) at.push_back(shard.offset(t) + shard.size(t) / 2);
  }
  auto bytes = bytes_of(path);
  for (const uint64_t a : at) bytes[payload + a] ^= 0x10;
  write_bytes(path, bytes);
}

config::Choice order_of(const std::string& name) {
  config::Choice order{tile_orders(), "uniform"};
  EXPECT_TRUE(order.select(name));
  return order;
}

/// A batch whose memory is its own.
ViewBatch kept(ViewBatch batch) {
  for (Tensor& view : batch.views_BCHW) view = view.clone();
  return batch;
}

void expect_equal(const ViewBatch& a, const ViewBatch& b) {
  ASSERT_EQ(a.views_BCHW.size(), b.views_BCHW.size());
  for (size_t v = 0; v < a.views_BCHW.size(); ++v) EXPECT_TRUE(at::equal(a.views_BCHW[v], b.views_BCHW[v])) << "view " << v;
  EXPECT_EQ(a.first_position, b.first_position);
  ASSERT_EQ(a.ids.size(), b.ids.size());
  for (size_t k = 0; k < a.ids.size(); ++k) EXPECT_TRUE(a.ids[k].slide == b.ids[k].slide && a.ids[k].x == b.ids[k].x && a.ids[k].y == b.ids[k].y);
}

std::vector<ViewBatch> take(ViewLoader& loader, int n) {
  std::vector<ViewBatch> batches;
  for (int i = 0; i < n; ++i) batches.push_back(kept(loader.next()));
  return batches;
}

TEST(ViewLoader, GivesSlabsOfEqualViews) {
  const TemporaryFolder folder;
  ViewLoader loader(open_source(folder), small_views(), {}, place(5));
  const ViewBatch batch = loader.next();
  ASSERT_EQ(batch.views_BCHW.size(), 5u);
  EXPECT_EQ(batch.views_BCHW[1].sizes(), (std::vector<int64_t>{5, 3, 13, 13}));
  EXPECT_EQ(batch.views_BCHW[4].sizes(), (std::vector<int64_t>{5, 3, 7, 7}));
  EXPECT_EQ(batch.views_BCHW[1].const_data_ptr<float>(), batch.views_BCHW[0].const_data_ptr<float>() + 5 * 3 * 13 * 13);
  EXPECT_EQ(batch.views_BCHW[4].const_data_ptr<float>(), batch.views_BCHW[2].const_data_ptr<float>() + 2 * 5 * 3 * 7 * 7);
}

TEST(ViewLoader, RefusesCropsThatKeepTheirSizeInSmallerTiles) {
  const TemporaryFolder folder;
  MultiCropConfig views = small_views();
  views.area_of = "crop";
  views.global = views.local = {0.9, 1.1};
  ViewLoader(open_source(folder), views, {}, place(5)).next();
  views.global_size_px = 25;
  EXPECT_THAT(message_of([&] { ViewLoader(open_source(folder), views, {}, place(5)); }, ErrorKind::Config),
              testing::HasSubstr("[data.crops.global] with area_of=crop a crop takes at least 24 px of a tile of 19x23"));
}

TEST(ViewLoader, SameBitsForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  const auto store = open_source(folder);
  ViewLoader one(store, small_views(), {}, place(4, 1));
  const auto want = take(one, 9);
  for (const int64_t threads : {2, 8}) {
    ViewLoader loader(store, small_views(), {.prefetch = threads}, place(4, threads));
    const auto got = take(loader, 9);
    for (size_t i = 0; i < want.size(); ++i) expect_equal(got[i], want[i]);
  }
}

TEST(ViewLoader, SameGlobalOrderForAnyWorld) {
  const TemporaryFolder folder;
  const auto store = open_source(folder);
  ViewLoader alone(store, small_views(), {}, place(8));
  const auto want = take(alone, 3);
  for (const int64_t world : {2, 4}) {
    const int64_t local = 8 / world;
    std::vector<std::vector<ViewBatch>> ranks;
    for (int64_t r = 0; r < world; ++r) {
      ViewLoader loader(store, small_views(), {}, place(local, 2, r, world));
      ranks.push_back(take(loader, 3));
    }
    for (size_t step = 0; step < want.size(); ++step)
      for (size_t v = 0; v < want[step].views_BCHW.size(); ++v) {
        std::vector<Tensor> parts;
        for (const auto& batches : ranks) parts.push_back(batches[step].views_BCHW[v]);
        EXPECT_TRUE(at::equal(at::cat(parts), want[step].views_BCHW[v]));
      }
  }
}

TEST(ViewLoader, GoesOnWhereAStateSays) {
  const TemporaryFolder folder;
  const auto store = open_source(folder);
  ViewLoader whole(store, small_views(), {}, place(6, 2));
  const auto want = take(whole, 7);
  ViewLoader first(store, small_views(), {}, place(6, 2));
  take(first, 3);
  const State state = first.state();
  ViewLoader second(store, small_views(), {.prefetch = 5}, place(6, 3));
  second.next();
  second.load_state(state);
  const auto rest = take(second, 4);
  for (size_t i = 0; i < rest.size(); ++i) expect_equal(rest[i], want[3 + i]);

  // Another world size: the positions go on without a gap.
  ViewLoader half(store, small_views(), {}, place(3, 2, 1, 2));
  half.load_state(state);
  EXPECT_EQ(half.next().first_position, 18 + 3);
}

TEST(ViewLoader, RefusesAStateOfAnotherStoreOrSeed) {
  const TemporaryFolder folder, other;
  ViewLoader loader(open_source(folder), small_views(), {}, place(2));
  const State state = loader.state();
  ViewLoader other_store(open_source(other, {3}), small_views(), {}, place(2));
  EXPECT_THROW(other_store.load_state(state), Error);
  LoaderPlace other_seed = place(2);
  other_seed.seed = 18;
  ViewLoader other_order(open_source(folder), small_views(), {}, other_seed);
  EXPECT_THROW(other_order.load_state(state), Error);
  EXPECT_THROW(other_order.load_state(State{}), Error);
}

TEST(ViewLoader, EveryEpochHasEveryTile) {
  const TemporaryFolder folder;
  for (const char* order : {"uniform", "block"}) {
    ViewLoader loader(open_source(folder), small_views(), {.order = order_of(order)}, place(19));
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::set<std::pair<int32_t, int64_t>> seen;
      for (const SampleId& id : loader.next().ids) seen.emplace(id.slide, id.x);
      EXPECT_EQ(seen.size(), 19u);
    }
  }
}

TEST(ViewLoader, ReplacesBadTilesAndNamesThem) {
  const TemporaryFolder folder;
  const auto clean_ids = ViewLoader(open_source(folder), small_views(), {}, place(19)).next().ids;
  corrupt(folder, {2, 11});
  const auto store = open_source(folder);
  std::vector<std::vector<ViewBatch>> runs;
  for (const int64_t threads : {1, 8}) {
    ViewLoader loader(store, small_views(), {.max_bad_fraction = 0.2}, place(19, threads));
    runs.push_back(take(loader, 3));
    ASSERT_EQ(loader.quarantine().size(), 2u);
    EXPECT_TRUE(loader.quarantine().contains(2) && loader.quarantine().contains(11));
    const BadTile& bad = loader.quarantine().at(11);
    EXPECT_EQ(bad.id.slide, 2);
    EXPECT_EQ(bad.id.x, 0);
    EXPECT_THAT(bad.reason, HasSubstr("slide C"));
    EXPECT_EQ(loader.state().values["quarantine"], nlohmann::json({2, 11}));
  }
  for (size_t i = 0; i < 3; ++i) expect_equal(runs[0][i], runs[1][i]);
  int changed = 0;
  for (size_t k = 0; k < 19; ++k) {
    const SampleId a = clean_ids[k], b = runs[0][0].ids[k];
    changed += a.slide != b.slide || a.x != b.x;
    EXPECT_FALSE((b.slide == 0 && b.x == 2 * 46) || (b.slide == 2 && b.x == 0));
  }
  EXPECT_EQ(changed, 2);
}

TEST(ViewLoader, AResumedQuarantineGivesTheSameBatches) {
  const TemporaryFolder folder;
  open_source(folder);
  corrupt(folder, {2, 11});
  const auto store = open_source(folder);
  ViewLoader whole(store, small_views(), {.max_bad_fraction = 0.2}, place(10));
  const auto want = take(whole, 6);
  ViewLoader first(store, small_views(), {.max_bad_fraction = 0.2}, place(10));
  take(first, 4);
  ViewLoader second(store, small_views(), {.max_bad_fraction = 0.2}, place(10));
  second.load_state(first.state());
  const auto rest = take(second, 2);
  for (size_t i = 0; i < 2; ++i) expect_equal(rest[i], want[4 + i]);
}

TEST(ViewLoader, StopsWhenTooManyTilesAreBad) {
  const TemporaryFolder folder;
  open_source(folder);
  corrupt(folder, {2, 11});
  ViewLoader loader(open_source(folder), small_views(), {.max_bad_fraction = 0.1}, place(19));
  try {
    loader.next();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_THAT(e.what(), HasSubstr("2 of 19"));
    EXPECT_THAT(e.what(), HasSubstr("store verify"));
  }
}

TEST(ViewLoader, AShardThatIsTruncatedWhileItTrainsIsReplacedOrEndsTheRun) {
  const TemporaryFolder folder;
  std::vector<std::string> shards = write_store(folder / "store", {40, 3});
  const auto source = open_source(folder);
  const auto truncate = [&](double keep) {  // record data lies behind the index or before it: whichever it is, both go in turn
    fs::resize_file(shards[0], static_cast<uintmax_t>(keep * static_cast<double>(fs::file_size(shards[0]))));
  };
  ViewLoader loader(source, small_views(), {.prefetch = 1, .max_bad_fraction = 1}, place(8));
  loader.next();
  truncate(0.9);
  for (int i = 0; i < 20; ++i) loader.next();
  EXPECT_GT(loader.quarantine().size(), 0u);
  EXPECT_LT(loader.quarantine().size(), 43u);
  EXPECT_THAT(loader.quarantine().begin()->second.reason, HasSubstr("truncated after it was opened"));
  EXPECT_THAT(loader.quarantine().begin()->second.reason, HasSubstr("shard-00000.h5"));
  truncate(0);
  const std::string message = message_of(
      [&] {
        for (int i = 0; i < 20; ++i) loader.next();
      },
      ErrorKind::Data);
  EXPECT_THAT(message, HasSubstr("could not be read"));
}

TEST(ViewLoader, AShardThatVanishedBeforeItsFirstTileIsReplaced) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 1;  // one slide a shard
  const std::vector<std::string> shards = write_store(folder / "store", {5, 6, 8}, settings);
  ASSERT_EQ(shards.size(), 3u);
  const auto source = open_source(folder);
  fs::remove(shards[0]);
  ViewLoader loader(source, small_views(), {.max_bad_fraction = 0.5}, place(19));
  const ViewBatch batch = loader.next();
  for (const SampleId& id : batch.ids) EXPECT_NE(id.slide, 0);
  EXPECT_EQ(loader.quarantine().size(), 5u);
  EXPECT_THAT(loader.quarantine().at(4).reason, HasSubstr(shards[0]));
  ViewLoader strict(source, small_views(), {.max_bad_fraction = 0.1}, place(19));
  EXPECT_THAT(message_of([&] { strict.next(); }, ErrorKind::Data), HasSubstr("too many bad tiles"));
}

TEST(ViewLoader, AShardThatIsDeletedOrReplacedWhileItTrainsIsReadOnOrNamed) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 1;
  const std::vector<std::string> shards = write_store(folder / "store", {5, 6, 8}, settings),
                                 others = write_store(folder / "other", {5, 6, 8}, settings);
  const auto all = [&](const auto& source) {
    ViewLoader loader(source, small_views(), {.prefetch = 1}, place(19));
    return kept(loader.next());
  };
  const ViewBatch want = all(open_source(folder));

  const auto store = open_store(folder);
  const auto source = std::make_shared<StoreSource>(store);
  ViewLoader loader(source, small_views(), {.prefetch = 1}, place(19));
  loader.next();  // all shards are open
  fs::rename(others[0], shards[0]);
  fs::remove(shards[1]);
  fs::remove(shards[2]);
  loader.next();
  EXPECT_TRUE(loader.quarantine().empty());
  expect_equal(all(source), want);
  EXPECT_THAT(message_of([&] { store->column("class"); }, ErrorKind::Data), testing::AllOf(HasSubstr(shards[0]), HasSubstr("in its place")));
  EXPECT_THAT(message_of([&] { store->shard(1).column("class"); }, ErrorKind::Io), HasSubstr(shards[1]));

  write_store(folder / "store2", {5, 6, 8}, settings);
  const auto late = std::make_shared<StoreSource>(std::vector<std::string>{folder / "store2"});
  fs::rename(write_store(folder / "third", {5, 6, 8}, settings)[1], folder / "store2/shard-00001.h5");
  ViewLoader strict(late, small_views(), {.max_bad_fraction = 0}, place(19));
  EXPECT_THAT(message_of([&] { strict.next(); }, ErrorKind::Data),
              testing::AllOf(HasSubstr("shard-00001.h5"), HasSubstr("is not the shard of the manifest")));
  fs::remove_all(folder / "store2");
  EXPECT_THAT(message_of([&] { TileStore(folder / "store2"); }, ErrorKind::Io), HasSubstr("store2"));
}

TEST(ViewLoader, StoresOfUnequalTilesAreRenderedByTheCpuAlone) {
  const TemporaryFolder folder;
  write_store(folder / "store", {5});
  StoreSettings larger = test_settings(Codec::kRaw);
  larger.tile_height = 31, larger.tile_width = 17;
  {
    TileStoreWriter writer(folder / "larger", larger, {"L"});
    SlidePart part = writer.begin("L");
    part.append(test_tile(0, 0), std::vector<uint8_t>(3 * 31 * 17, 99));
    writer.finish(std::move(part), test_slide("L"), {});
    writer.close();
  }
  const auto source = std::make_shared<StoreSource>(std::vector<std::string>{folder / "store", folder / "larger"});
  EXPECT_EQ(source->tile_size(), (Size{17, kTestHeight}));
  EXPECT_FALSE(source->has_one_size());
  ViewLoader(source, small_views(), {}, place(6)).next();
  LoaderPlace device = place(6);
  device.form = ViewForm::kDrawn;
  EXPECT_THAT(message_of([&] { ViewLoader(source, view_preset("supervised"), {}, device); }, ErrorKind::Config),
              testing::AllOf(HasSubstr("differ in the size of their tiles"), HasSubstr("data.augment=cpu")));
  MultiCropConfig views = small_views();
  views.area_of = "crop";
  views.global = views.local = {1, 1.1};
  views.global_size_px = 18;
  EXPECT_THAT(message_of([&] { ViewLoader(source, views, {}, place(5)); }, ErrorKind::Config), HasSubstr("18 px of a tile of 19x17"));
}

/// Tiles of one colour; a read of tile 3 waits until it is let through.
class SlowSource final : public TileSource {
 public:
  uint64_t n_tiles() const override { return 7; }
  Size tile_size() const override { return {kTestWidth, kTestHeight}; }
  std::string digest() const override { return "slow"; }
  SampleId id(const TileDraw& draw) const override { return {0, static_cast<int64_t>(draw.index), 0}; }
  void read_image(const TileDraw& draw, std::vector<uint8_t>&, Image& out) const override {
    if (draw.index == 3) answer_.wait();
    out = Image(kTestHeight, kTestWidth);
  }
  const std::string& file(uint64_t) const override { return file_; }
  std::vector<TileGroup> groups(const std::string&) const override { return {}; }
  void let_through() { go_.set_value(); }

 private:
  const std::string file_ = "/far/away/shard-00007.h5";
  std::promise<void> go_;
  std::shared_future<void> answer_ = go_.get_future().share();
};

TEST(ViewLoader, AReadThatDoesNotComeBackIsNamedInTheLog) {
  const TemporaryFolder folder;
  log::set_file(folder / "log.txt");
  const auto source = std::make_shared<SlowSource>();
  ViewLoader loader(source, small_views(), {.stall_seconds = 0.02}, place(7));
  std::thread rescue([&] {
    const auto logged = [&] {
      const auto text = bytes_of(folder / "log.txt");
      return std::string(text.begin(), text.end()).find("/far/away/shard-00007.h5 has not answered for 0.") != std::string::npos;
    };
    for (int i = 0; i < 5000 && !logged(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(logged());
    source->let_through();
  });
  EXPECT_EQ(loader.next().ids.size(), 7u);
  rescue.join();
  log::set_file("");
}

TEST(ViewLoader, EndsWhenNoTileIsGood) {
  const TemporaryFolder folder;
  open_source(folder, {3});
  corrupt(folder, {0, 1, 2});
  ViewLoader loader(open_source(folder), small_views(), {.max_bad_fraction = 1}, place(2));
  EXPECT_THROW(loader.next(), Error);
}

size_t entries(const char* folder) { return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator())); }

TEST(ViewLoader, LeavesNothingBehind) {
  const TemporaryFolder folder;
  const auto store = open_source(folder);
  { ViewLoader(store, small_views(), {}, place(4, 4)).next(); }
  const size_t threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
  for (int i = 0; i < 10; ++i) {
    ViewLoader loader(store, small_views(), {.prefetch = 4}, place(50, 4));
    if (i % 2 == 0) loader.next();  // else destroyed before it began; both with batches in the making
  }
  EXPECT_EQ(entries("/proc/self/task"), threads);
  EXPECT_EQ(entries("/proc/self/fd"), descriptors);
}

TEST(ViewLoader, UsesItsMemoryAgainOnceItIsLetGo) {
  const TemporaryFolder folder;
  ViewLoader loader(open_source(folder), small_views(), {.prefetch = 1}, place(4));
  std::set<const void*> seen;
  for (int i = 0; i < 20; ++i) seen.insert(loader.next().views_BCHW[0].const_data_ptr());
  EXPECT_LE(seen.size(), 3u);
  const ViewBatch held = loader.next();
  const ViewBatch copy = kept(held);
  for (int i = 0; i < 5; ++i) loader.next();
  expect_equal(held, copy);
}

TEST(ViewLoader, CountsItsStages) {
  const TemporaryFolder folder;
  ViewLoader loader(open_source(folder), small_views(), {}, place(4));
  take(loader, 5);
  const LoaderCounters c = loader.counters();
  EXPECT_GE(c.tiles, 20);
  EXPECT_GT(c.read_seconds, 0);
  EXPECT_GT(c.view_seconds, 0);
}

TEST(ViewLoader, RefusesAPlaceThatIsNone) {
  const TemporaryFolder folder;
  const auto store = open_source(folder);
  EXPECT_THROW(ViewLoader(store, small_views(), {}, place(0)), Error);
  EXPECT_THROW(ViewLoader(store, small_views(), {}, place(2, 0)), Error);
  EXPECT_THROW(ViewLoader(store, small_views(), {}, place(2, 1, 2, 2)), Error);
}

TEST(SlotPipeline, HandsAnExceptionToTheOwnerOfTheBatch) {
  SlotPipeline pipeline(4, [](int64_t batch, int64_t slot) {
    if (batch == 1 && slot >= 2) fail(ErrorKind::Data, "slot {}", slot);
  });
  for (int i = 0; i < 3; ++i) pipeline.open(7);
  EXPECT_NO_THROW(pipeline.close_oldest());
  try {
    pipeline.close_oldest();
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "slot 2");
  }
  EXPECT_NO_THROW(pipeline.close_oldest());
  pipeline.open(0);
  EXPECT_NO_THROW(pipeline.close_oldest());
}

EvalViewConfig small_eval() {
  EvalViewConfig view;
  view.resize_px = 19, view.crop_px = 13;
  return view;
}

/// A rank's tiles of the 19 of open_store(), one after another.
std::vector<int64_t> part_of(int64_t rank, int64_t world) {
  std::vector<int64_t> part(static_cast<size_t>(19 * (rank + 1) / world - 19 * rank / world));
  std::iota(part.begin(), part.end(), 19 * rank / world);
  return part;
}
std::vector<int64_t> all_tiles() { return part_of(0, 1); }

TEST(TileReader, ReadsEveryTileOnceForAnyWorldAndThreads) {
  const TemporaryFolder folder;
  const auto store = open_store(folder);
  TileReader alone(store, small_eval(), all_tiles(), 19, 1);
  const EvalBatch want = *alone.next();
  EXPECT_FALSE(alone.next());
  for (const int64_t world : {1, 2, 3}) {
    std::vector<Tensor> images;
    std::vector<int64_t> indices;
    for (int64_t rank = 0; rank < world; ++rank) {
      TileReader reader(store, small_eval(), part_of(rank, world), 4, 8);
      while (auto batch = reader.next()) {
        EXPECT_EQ(batch->images_BCHW.size(0), static_cast<int64_t>(batch->ids.size()));
        images.push_back(batch->images_BCHW);
        indices.insert(indices.end(), batch->indices.begin(), batch->indices.end());
      }
    }
    std::vector<int64_t> all(19);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(indices, all);
    EXPECT_TRUE(at::equal(at::cat(images), want.images_BCHW));
  }
}

TEST(TileReader, LeavesOutWhatCannotBeRead) {
  const TemporaryFolder folder;
  open_store(folder);
  corrupt(folder, {4});
  TileReader reader(open_store(folder), small_eval(), all_tiles(), 6, 2, 0.1);
  int64_t rows = 0;
  while (auto batch = reader.next()) {
    rows += batch->images_BCHW.size(0);
    for (const int64_t i : batch->indices) EXPECT_NE(i, 4);
  }
  EXPECT_EQ(rows, 18);
  ASSERT_EQ(reader.unread().size(), 1u);
  EXPECT_EQ(reader.unread()[0].index, 4);
  TileReader strict(open_store(folder), small_eval(), all_tiles(), 6, 2, 0.01);
  EXPECT_THROW(strict.next(), Error);
  EXPECT_THROW(TileReader(open_store(folder), small_eval(), {19}, 6, 2), Error);
}

TEST(TileReader, CropsTheCentre) {
  Image tile(20, 30);
  for (int64_t y = 0; y < 20; ++y)
    for (int64_t x = 0; x < 30; ++x) tile.row(y)[3 * x] = static_cast<uint8_t>(x), tile.row(y)[3 * x + 1] = static_cast<uint8_t>(y);
  EvalViewConfig view;
  view.resize_px = 20, view.crop_px = 9;  // nothing is resized
  view.mean = {0, 0, 0}, view.std = {1, 1, 1};
  std::vector<float> out(3 * 81);
  eval_view(tile, view, {out.data(), 9, 9});
  EXPECT_FLOAT_EQ(out[0] * 255, 10);  // (30 - 9) / 2 = 10.5, half to even
  EXPECT_FLOAT_EQ(out[81] * 255, 6);  // (20 - 9) / 2 = 5.5, half to even
  view.grayscale = true;
  eval_view(tile, view, {out.data(), 9, 9});
  const float grey = static_cast<float>(std::lround(0.299 * 10 + 0.587 * 6));
  for (const size_t channel : {0, 1, 2}) EXPECT_FLOAT_EQ(out[81 * channel] * 255, grey);
  view.crop_px = 21;
  std::vector<float> large(3 * 21 * 21);
  EXPECT_THROW(eval_view(tile, view, {large.data(), 21, 21}), Error);
}

TEST(TileReader, ZoomShowsTheCentreAndJpegComesFirst) {
  Image tile(24, 24);
  for (int64_t y = 0; y < 24; ++y)
    for (int64_t x = 0; x < 24; ++x) tile.row(y)[3 * x] = static_cast<uint8_t>(9 * x), tile.row(y)[3 * x + 1] = static_cast<uint8_t>(9 * y);
  EvalViewConfig view;
  view.resize_px = view.crop_px = 12;
  view.mean = {0, 0, 0}, view.std = {1, 1, 1};
  const auto seen = [&](ImageView picture) {
    std::vector<float> out(3 * 144);
    eval_view(picture, view, {out.data(), 12, 12});
    return out;
  };
  view.zoom = 2;  // the central 12 x 12, which nothing resizes
  const std::vector<float> zoomed = seen(tile);
  EXPECT_FLOAT_EQ(zoomed[0] * 255, 9 * 6);
  EXPECT_FLOAT_EQ(zoomed[144 + 11 * 12] * 255, 9 * 17);
  view.jpeg_quality = 40;
  std::vector<uint8_t> bytes;
  encode_jpeg(tile, 40, Subsampling::k420, bytes);
  Image stored;
  decode_jpeg(bytes, stored);
  const std::vector<float> both = seen(tile);
  EXPECT_NE(both, zoomed);
  view.jpeg_quality = 0;
  EXPECT_EQ(both, seen(stored));
}

TEST(ContactSheet, ShowsTilesWithTheViewsThatTheLoaderMakes) {
  const TemporaryFolder folder;
  const auto store = open_store(folder);
  MultiCropConfig views = small_views();
  views.mean = {0, 0, 0}, views.std = {1, 1, 1};
  const StoreSource source(store);
  const Image sheet = view_sheet(source, TileOrder(order_of("uniform"), source, place(3).seed), views, place(3).seed, 3);
  EXPECT_EQ(sheet.height, 3 * kTestHeight + 4 * 4);
  EXPECT_EQ(sheet.width, kTestWidth + 2 * 13 + 3 * 7 + 7 * 4);
  EXPECT_EQ(sheet.rgb[0], 255);
  const Tensor second_global_CHW = ViewLoader(open_source(folder), views, {}, place(3)).next().views_BCHW[1][2];
  const int64_t top = 4 + 2 * (kTestHeight + 4), left = 4 + kTestWidth + 4 + 13 + 4;
  for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(sheet.row(top + 5)[3 * (left + 6) + c], std::lround(second_global_CHW[c][5][6].item<float>() * 255)) << c;
  EXPECT_THROW(view_sheet(source, TileOrder(order_of("uniform"), source, 1), views, 1, 0), Error);
  const auto png = encode_png(sheet);
  EXPECT_EQ(std::string(png.begin() + 1, png.begin() + 4), "PNG");
  EXPECT_THROW(contact_sheet({}), Error);
}

}  // namespace
}  // namespace eosin::data
