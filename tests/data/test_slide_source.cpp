#include "data/slide_source.h"

#include "core/base/error.h"
#include "data/loader.h"
#include "data/tile_store.h"
#include "data/tiler.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <thread>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Two drawn slides and the folder of their places.
struct Slides {
  Slides() {
    fs::create_directories(folder / "slides");
    write_drawn_slide(folder / "slides/a.tiff", small_spec(2));
    write_drawn_slide(folder / "slides/b.tiff", small_spec(3));
    config.slides = {folder / "slides"};
    config.tile.size_px = 64;
    config.tile.mpp = {1.0};
  }
  std::vector<SlidePlaces> places(int64_t threads = 2) const { return find_places(config, folder / "places", threads); }
  std::shared_ptr<const SlideSource> open(uint64_t seed = 11) const { return std::make_shared<SlideSource>(config, places(), seed); }
  TemporaryFolder folder;
  SlideSourceConfig config;
};

MultiCropConfig small_views() {
  MultiCropConfig config = view_preset("dinov2");
  config.global_size_px = 13, config.local_size_px = 7, config.n_local = 3;
  return config;
}

LoaderPlace place(int64_t batch, int64_t threads) { return {.seed = 17, .local_batch = batch, .threads = threads}; }

TEST(SlideSource, OnTheGridGivesTheTilesOfAStore) {
  Slides slides;
  slides.config.tile.random = false;
  const auto source = slides.open();
  TileConfig tiling;
  tiling.slides = slides.config.slides;
  tiling.store = slides.folder / "store";
  tiling.tile.size_px = 64, tiling.tile.mpp = 1.0;
  tiling.encoding.codec = "raw";
  tile_slides(tiling);
  const TileStore store(tiling.store);
  ASSERT_EQ(source->n_tiles(), store.n_tiles());
  ASSERT_GT(store.n_tiles(), 20u);
  std::vector<uint8_t> buffer;
  Image ours, theirs;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const SampleId id = source->id({i, 0});
    const TileRow row = store.tile(i);
    EXPECT_TRUE(id.slide == static_cast<int32_t>(row.slide) && id.x == row.x && id.y == row.y) << i;
    source->read_image({i, 0}, buffer, ours);
    store.read_image(i, buffer, theirs);
    EXPECT_EQ(ours.rgb, theirs.rgb) << i;
  }
}

TEST(SlideSource, RandomTilesStayNearTheirCellAndInTheSlide) {
  const Slides slides;
  const auto source = slides.open();
  const auto places = slides.places();
  std::set<std::pair<int64_t, int64_t>> corners;
  for (uint64_t position = 0; position < 400; ++position) {
    const uint64_t index = position % source->n_tiles();
    const SampleId id = source->id({index, position});
    const SlidePlaces& p = places[static_cast<size_t>(id.slide)];
    const uint64_t first = id.slide == 0 ? 0 : places[0].cells.size();
    const auto cell = static_cast<int64_t>(p.cells[index - first]);
    // The tile's edge is the cell's: its centre is in the cell unless the slide's edge held it back.
    EXPECT_LE(std::abs(id.x - cell % p.columns * p.step), p.step / 2 + 1);
    EXPECT_LE(std::abs(id.y - cell / p.columns * p.step), p.step / 2 + 1);
    EXPECT_TRUE(id.x >= 0 && id.y >= 0 && id.x + p.step <= p.size.width && id.y + p.step <= p.size.height);
    corners.emplace(id.x, id.y);
  }
  EXPECT_GT(corners.size(), 300u);
  EXPECT_EQ(source->id({5, 77}).x, slides.open()->id({5, 77}).x);
  EXPECT_NE(source->id({5, 77}).x, source->id({5, 78}).x);
  EXPECT_NE(source->id({5, 77}).x, slides.open(12)->id({5, 77}).x);
}

TEST(SlideSource, DrawsSeveralScalesByWeight) {
  Slides slides;
  slides.config.tile.mpp = {2.0, 0.5, 1.0};
  slides.config.tile.mpp_weights = {1, 2, 0};
  slides.config.tile.random = false;
  const auto source = slides.open();
  // On the grid of 0.5 um a tile of 2 um begins 1.5 cells (of 64 pixels) before its cell, one of 0.5 um at it.
  const auto places = slides.places();
  uint64_t inner = 0;  // a cell that is far enough from the edges
  while (places[0].cells[inner] % static_cast<uint64_t>(places[0].columns) < 3 ||
         places[0].cells[inner] < 3 * static_cast<uint64_t>(places[0].columns))
    ++inner;
  const auto cell = static_cast<int64_t>(places[0].cells[inner]);
  int fine = 0, coarse = 0;
  for (uint64_t position = 0; position < 600; ++position) {
    const int64_t before = cell % places[0].columns * 64 - source->id({inner, position}).x;
    fine += before == 0, coarse += before == 96;
  }
  EXPECT_EQ(fine + coarse, 600);
  EXPECT_NEAR(fine, 400, 50);
  std::vector<uint8_t> buffer;
  Image tile;
  source->read_image({inner, 1}, buffer, tile);
  EXPECT_EQ(tile.width, 64);
}

TEST(SlideSource, PlacesAreRememberedAndSoAreFailures) {
  Slides slides;
  std::ofstream(slides.folder / "slides/c.tiff") << "no slide";
  slides.config.slides = {slides.folder / "slides/*.tiff"};
  slides.config.max_failed_fraction = 0.4;
  const auto first = slides.open();
  const auto places = slides.places();
  EXPECT_TRUE(places[2].failed);
  EXPECT_THAT(places[2].reason, HasSubstr("c.tiff"));
  for (const char* name : {"slides/a.tiff", "slides/b.tiff"}) fs::remove(slides.folder / name);
  std::ofstream(slides.folder / "slides/a.tiff") << "gone";
  std::ofstream(slides.folder / "slides/b.tiff") << "gone";
  const auto again = slides.open();
  EXPECT_EQ(again->digest(), first->digest());
  EXPECT_EQ(again->n_tiles(), first->n_tiles());
  slides.config.tile.min_tissue = 0.5;
  EXPECT_THAT(message_of([&] { slides.open(); }, ErrorKind::Data), HasSubstr("too many slides cannot be used (got 3 of 3"));
}

TEST(SlideSource, GroupsBySlideAndWhatTheCohortTells) {
  Slides slides;
  std::ofstream(slides.folder / "cohort.csv") << "slide,path,patient,stain\nA,slides/a.tiff,p1,HE\nB,slides/b.tiff,p1,\n";
  slides.config.slides = {slides.folder / "cohort.csv"};
  const auto source = slides.open();
  EXPECT_EQ(source->groups("slide").size(), 2u);
  const auto patients = source->groups("patient");
  ASSERT_EQ(patients.size(), 1u);
  EXPECT_EQ(patients[0].tiles.size(), source->n_tiles());
  EXPECT_EQ(patients[0].tiles.n_ranges(), 1u);
  EXPECT_EQ(source->groups("stain")[1].name, "(unknown)");
  EXPECT_THAT(message_of([&] { source->groups("store"); }, ErrorKind::Config), HasSubstr("slides have no 'store'"));
}

TEST(SlideSource, SameBatchesForAnyNumberOfThreadsAndAfterAResume) {
  Slides slides;
  slides.config.open_slides = 1;  // opened and closed again and again
  const auto source = slides.open();
  const auto batches = [&](ViewLoader& loader, int n) {
    std::vector<Tensor> views;
    for (int i = 0; i < n; ++i)
      for (const Tensor& v : loader.next().views_BCHW) views.push_back(v.clone());
    return views;
  };
  ViewLoader one(source, small_views(), {}, place(6, 1));
  const auto want = batches(one, 4);
  ViewLoader many(slides.open(), small_views(), {.prefetch = 3}, place(6, 4));
  const auto got = batches(many, 2);
  ViewLoader resumed(slides.open(), small_views(), {}, place(6, 3));
  resumed.load_state(many.state());
  const auto rest = batches(resumed, 2);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(at::equal(got[i], want[i])) << i;
  for (size_t i = 0; i < rest.size(); ++i) EXPECT_TRUE(at::equal(rest[i], want[got.size() + i])) << i;
}

TEST(SlideSource, ASlideThatVanishedIsReplacedAndNamed) {
  Slides slides;
  const auto source = slides.open();
  fs::remove(slides.folder / "slides/b.tiff");
  ViewLoader loader(source, small_views(), {.max_bad_fraction = 1}, place(static_cast<int64_t>(source->n_tiles()), 2));
  for (const SampleId& id : loader.next().ids) EXPECT_EQ(id.slide, 0);
  ASSERT_FALSE(loader.quarantine().empty());
  EXPECT_THAT(loader.quarantine().begin()->second.reason, HasSubstr("b.tiff"));
}

TEST(SlidePool, HoldsNoMoreThanItMayAndOpensASlideOnce) {
  const Slides slides;
  SlidePool pool({slides.folder / "slides/a.tiff", slides.folder / "slides/b.tiff", slides.folder / "none"}, 1);
  {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { EXPECT_EQ(pool.get(0)->info().path, slides.folder / "slides/a.tiff"); });
    for (auto& t : threads) t.join();
  }
  EXPECT_EQ(pool.opened(), 1u);
  const auto held = pool.get(0);
  EXPECT_THROW(pool.get(2), Error);
  EXPECT_THROW(pool.get(2), Error);
  pool.get(1);
  pool.get(0);
  EXPECT_EQ(pool.opened(), 5u);
  EXPECT_GT(held->info().size().width, 0);
}

TEST(OnlineTileConfig, WeightsFitTheScales) {
  const auto message = [](const std::string& weights) {
    SlideSourceConfig config;
    config::Source source;
    source.override_with("tile.mpp=[0.5,1]");
    source.override_with("tile.mpp_weights=" + weights);
    return message_of([&] { config::read(source, config); }, ErrorKind::Config);
  };
  EXPECT_THAT(message("[1]"), HasSubstr("need one for each mpp (got 1, need 2)"));
  EXPECT_THAT(message("[0,0]"), HasSubstr("all are 0"));
}

}  // namespace
}  // namespace eosin::data
