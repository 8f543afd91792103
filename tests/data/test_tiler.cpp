// Slides to a store: the same tiles for any number of threads, after any kill, and beside any bad slide.
#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/base/stop.h"
#include "data/tiff_file.h"
#include "data/tile_journal.h"
#include "data/tile_store.h"
#include "data/tiler.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

/// Three drawn slides, written once.
class Tiler : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    slides_ = new TemporaryFolder;
    for (uint64_t seed = 0; seed < 3; ++seed) write_drawn_slide(*slides_ / ("s" + std::to_string(seed) + ".tiff"), small_spec(seed));
  }
  static void TearDownTestSuite() {
    delete slides_;
    slides_ = nullptr;
  }

  static TileConfig config(const std::string& store, int64_t threads = 2) {
    TileConfig c;
    for (int seed = 0; seed < 3; ++seed) c.slides.push_back(*slides_ / ("s" + std::to_string(seed) + ".tiff"));
    c.store = store;
    c.tile.size_px = 37;
    c.tile.mpp = 0.7;  // makes every tile go through the resizer
    c.run.threads = threads;
    return c;
  }

  static TemporaryFolder* slides_;
};
TemporaryFolder* Tiler::slides_ = nullptr;

/// All of a store but uuid and time: index, slide table, payload.
std::string content(const std::string& path) {
  const TileStore store(path);
  std::string text;
  for (size_t k = 0; k < store.n_shards(); ++k) text += fmt::format("{} {}\n", store.shard(k).header().index_crc32c, store.shard(k).n_tiles());
  std::vector<uint8_t> buffer;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const TileRow t = store.tile(i);
    const auto bytes = store.read(i, buffer);
    text += fmt::format("{} {} {} {} {} {}\n", t.slide, t.x, t.y, t.tissue, t.crc32c, bytes.size());
  }
  for (const SlideRow& s : store.slides()) text += fmt::format("{} {} {} {}\n", s.id, s.mpp_x, s.first, s.count);
  return text;
}

std::vector<nlohmann::json> rows(const std::string& path) {
  std::vector<nlohmann::json> found;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) found.push_back(nlohmann::json::parse(line));
  return found;
}

TEST_F(Tiler, ThreadsDoNotChangeTheStore) {
  const TemporaryFolder folder;
  const TilingResult one = tile_slides(config(folder / "one", 1));
  EXPECT_EQ(one.slides_ok, 3);
  EXPECT_GT(one.tiles, 100);
  EXPECT_EQ(one.tiles, one.tiles_made);
  for (const int64_t threads : {2, 7}) {
    const std::string store = folder / ("many" + std::to_string(threads));
    EXPECT_EQ(tile_slides(config(store, threads)).tiles, one.tiles);
    EXPECT_EQ(content(store), content(folder / "one")) << threads << " threads";
  }
}

TEST_F(Tiler, TilesThatTheSlideHoldsAreCopied) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "copied");
  c.tile.size_px = 256;
  c.tile.mpp = 0.5;
  c.tile.min_tissue = 0.01;
  const TilingResult copied = tile_slides(c);
  ASSERT_GT(copied.tiles, 0);
  for (const auto& row : rows(folder / "copied/slides.jsonl")) {
    EXPECT_EQ(row["copied"], row["tiles"] > 0) << row;
    EXPECT_EQ(row["reader"], "tiff");
  }
  const TileStore store(folder / "copied");
  EXPECT_TRUE(store.format().lossless_tile_copy);
  EXPECT_EQ(store.format().jpeg_quality, 0u);
  std::vector<uint8_t> buffer;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const TileRow t = store.tile(i);
    const auto slide = open_slide(store.slides()[t.slide].path);
    const auto stored = store.read(i, buffer);
    EXPECT_EQ(std::vector<uint8_t>(stored.begin(), stored.end()), slide->jpeg_stream({t.x, t.y}, 0, {256, 256}));
  }

  c.store = folder / "encoded";
  c.encoding.copy = false;
  const TilingResult encoded = tile_slides(c);
  EXPECT_EQ(encoded.tiles, copied.tiles);
  EXPECT_FALSE(TileStore(folder / "encoded").format().lossless_tile_copy);
  EXPECT_NE(content(folder / "encoded"), content(folder / "copied"));

  c.store = folder / "shifted";  // the grid is not the slide's
  c.encoding.copy = true;
  c.tile.size_px = 250;
  tile_slides(c);
  for (const auto& row : rows(folder / "shifted/slides.jsonl")) EXPECT_EQ(row["copied"], false);
}

TEST_F(Tiler, LeavesRecordsAndPictures) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  c.run.dir = folder / "run";
  const TilingResult result = tile_slides(c);
  const auto records = rows(folder / "run/slides.jsonl");
  ASSERT_EQ(records.size(), 3u);
  int64_t tiles = 0, bytes = 0;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(records[i]["id"], "s" + std::to_string(i));
    EXPECT_EQ(records[i]["status"], "ok");
    EXPECT_NEAR(records[i]["mpp"].get<double>(), 0.5, 1e-6);
    EXPECT_EQ(records[i]["mpp_source"], "tiff.XResolution");
    EXPECT_GT(records[i]["filtered"]["tissue"].get<int64_t>(), 0);
    tiles += records[i]["tiles"].get<int64_t>();
    bytes += records[i]["bytes"].get<int64_t>();
    EXPECT_TRUE(fs::exists(folder / ("run/qc/s" + std::to_string(i) + ".jpg")));
  }
  EXPECT_EQ(tiles, result.tiles);
  EXPECT_EQ(bytes, result.bytes);
  EXPECT_FALSE(fs::exists(folder / "store/slides.jsonl"));
}

TEST_F(Tiler, CompleteSlidesAreSkipped) {
  const TemporaryFolder folder;
  const TilingResult first = tile_slides(config(folder / "store"));
  const std::string before = read_file(first.stores.front());
  const TilingResult again = tile_slides(config(folder / "store"));
  EXPECT_EQ(again.slides_skipped, 3);
  EXPECT_EQ(again.tiles, first.tiles);
  EXPECT_EQ(again.tiles_made, 0);
  EXPECT_EQ(again.stores, first.stores);
  EXPECT_EQ(read_file(first.stores.front()), before);
  for (const auto& row : rows(folder / "store/slides.jsonl")) EXPECT_EQ(row["status"], "skipped");
}

/// What a table says of a finished slide must stay as it was.
TEST_F(Tiler, AnotherScaleOrFileOfACompleteSlideIsRefused) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  c.slides = {folder / "cohort.csv"};
  const auto cohort = [&](const std::string& row) { std::ofstream(folder / "cohort.csv") << "slide,path,mpp\n" << row << "\n"; };
  const auto refusal = [&] { return message_of([&] { tile_slides(c); }, ErrorKind::Config); };
  const std::string path = *slides_ / "s0.tiff";
  cohort("S," + path + ",0.4");
  tile_slides(c);
  EXPECT_EQ(tile_slides(c).slides_skipped, 1);
  cohort("S," + path + ",0.45");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("'S'"), HasSubstr("mpp 0.4,"), HasSubstr("0.45")));
  cohort("S," + path + ",");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("'S'"), HasSubstr("0.4"), HasSubstr("gives none")));
  const std::string other = *slides_ / "s1.tiff";
  cohort("S," + other + ",0.4");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("'S'"), HasSubstr(path), HasSubstr(other)));
  cohort("S," + (*slides_ / "./s0.tiff") + ",0.4");
  EXPECT_EQ(tile_slides(c).slides_skipped, 1);

  c.store = folder / "replaced";
  const std::string here = folder / "slide.tiff";
  fs::copy_file(path, here);
  cohort("S," + here + ",0.4");
  tile_slides(c);
  std::ofstream(here, std::ios::app) << "more";
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("'S'"), HasSubstr(here), HasSubstr(std::to_string(fs::file_size(path)))));
  fs::remove(here);
  EXPECT_EQ(tile_slides(c).slides_skipped, 1) << "a slide that went away after it was tiled is not missed";
}

TEST_F(Tiler, OtherKeysForABegunStoreAreRefused) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  tile_slides(c);
  c.tile.min_tissue = 0.5;
  EXPECT_THAT(message_of([&] { tile_slides(c); }, ErrorKind::Config), HasSubstr("was written with other settings"));
}

/// Runs the job in a child and kills it after `microseconds`; returns whether it was still running.
bool run_and_kill(const TileConfig& config, int64_t microseconds) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      tile_slides(config);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

TEST_F(Tiler, KilledAtAnyMomentGivesTheSameStore) {
  const TemporaryFolder folder;
  const auto begin = std::chrono::steady_clock::now();
  TileConfig whole = config(folder / "whole");
  whole.filter.white_saturation = 40;  // tiles that are dropped must be told from tiles that were not reached
  tile_slides(whole);
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
  const auto filtered_of = [&](const std::string& store) {
    std::vector<nlohmann::json> f;
    for (const auto& row : rows(store + "/slides.jsonl")) f.push_back(row["filtered"]);
    return f;
  };
  const std::string want = content(whole.store);
  RandomStream random(11, 0, 0, RandomOp::kSynthetic);
  int kills = 0;
  for (int round = 0; kills < 20; ++round) {
    ASSERT_LT(round, 60) << "the runs end before they are killed";
    TileConfig c = whole;
    c.store = folder / ("killed" + std::to_string(round));
    // Two kills a store: also a continued run must survive.
    for (int k = 0; k < 2; ++k) kills += run_and_kill(c, 1 + static_cast<int64_t>(random.uniform(0, 0.8f) * static_cast<float>(microseconds)));
    const TilingResult result = tile_slides(c);
    EXPECT_EQ(result.slides_ok, 3);
    ASSERT_EQ(content(c.store), want) << "round " << round;
    EXPECT_EQ(filtered_of(c.store), filtered_of(whole.store)) << "round " << round;
    for (const auto& e : fs::directory_iterator(c.store))
      EXPECT_THAT(e.path().extension().string(), testing::AnyOf(".h5", ".json", ".jsonl", ".yaml", ".lock", ""));
    fs::remove_all(c.store);
  }
}

TEST_F(Tiler, StopsOnRequestAndGoesOn) {
  const TemporaryFolder folder;
  int64_t seen = 0;
  const TilingResult stopped = tile_slides(config(folder / "store"), [&](const TilingProgress& p) {
    if ((seen = p.tiles) > 40) stop::request();
  });
  stop::reset();
  EXPECT_TRUE(stopped.stopped);
  EXPECT_TRUE(stopped.stores.empty());
  const TilingResult rest = tile_slides(config(folder / "store"));
  EXPECT_FALSE(rest.stopped);
  EXPECT_GE(seen, 40);
  EXPECT_LT(rest.tiles_made, rest.tiles);
  tile_slides(config(folder / "whole"));
  EXPECT_EQ(content(folder / "store"), content(folder / "whole"));
}

TEST_F(Tiler, BadSlidesAreRecordedAndDoNotStopTheOthers) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  write_file(folder / "text.svs", std::string_view("not a slide"));
  write_file(folder / "zero.svs", std::string_view());
  const std::string whole = read_file(c.slides[0]);
  write_file(folder / "cut.tiff", std::string_view(whole).substr(0, whole.size() / 2));
  write_slide(folder / "scaleless.tiff", plain(300, 300, 200), 0);
  write_slide(folder / "coarse.tiff", plain(300, 300, 200), 2);
  for (const char* name : {"text.svs", "zero.svs", "cut.tiff", "scaleless.tiff", "coarse.tiff", "missing.svs"})
    c.slides.insert(c.slides.begin(), folder / name);
  const TilingResult result = tile_slides(c);
  EXPECT_EQ(result.slides, 9);
  EXPECT_EQ(result.slides_ok, 3);
  EXPECT_EQ(result.slides_failed, 6);
  EXPECT_TRUE(result.too_many_failed);
  EXPECT_THAT(result.failures.at("missing"), HasSubstr("does not exist"));
  EXPECT_THAT(result.failures.at("text"), HasSubstr("not a slide"));
  EXPECT_THAT(result.failures.at("zero"), HasSubstr("0 bytes"));
  EXPECT_THAT(result.failures.at("scaleless"), HasSubstr("assume_mpp"));
  EXPECT_THAT(result.failures.at("coarse"), HasSubstr("tile.allow_upsample=true"));
  EXPECT_EQ(rows(folder / "store/failures.jsonl").size(), 6u);
  c.max_failed_fraction = 0.7;
  EXPECT_FALSE(tile_slides(c).too_many_failed);
  EXPECT_EQ(rows(folder / "store/failures.jsonl").back()["attempt"], 2);
  tile_slides(config(folder / "alone"));
  const TileStore store(folder / "store"), alone(folder / "alone");
  EXPECT_EQ(store.n_tiles(), alone.n_tiles());
}

TEST_F(Tiler, ATextTooLongForTheStoreIsNamedBeforeASlideIsOpened) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  c.slides = {folder / "cohort.csv"};
  std::ofstream(folder / "cohort.csv") << "slide,path,stain\nS,missing.svs,haematoxylin and eosin\n";
  EXPECT_THAT(message_of([&] { tile_slides(c); }, ErrorKind::Data), HasSubstr("slide 'S': its stain is too long (got 22 bytes, at most 16)"));
}

TEST_F(Tiler, AScannerWithTooLongANameFailsItsSlideAlone) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  const std::string path = folder / "odd.tiff";
  fs::copy_file(c.slides[0], path);
  {
    const TiffHandle tiff(TIFFOpen(path.c_str(), "r+"), TIFFClose);
    TIFFSetField(tiff.get(), TIFFTAG_MODEL, std::string(65, 'x').c_str());
    ASSERT_TRUE(TIFFRewriteDirectory(tiff.get()));
  }
  c.slides.insert(c.slides.begin(), path);
  const TilingResult result = tile_slides(c);
  EXPECT_EQ(result.slides_ok, 3);
  EXPECT_THAT(result.failures.at("odd"), HasSubstr("its scanner is too long"));
}

TEST(TileJournal, TakesWordsInAnyEncoding) {
  const TemporaryFolder folder;
  TileJournal journal(folder.path().string());
  SlideRecord record;
  record.id = "s", record.status = "failed", record.reason = "cannot read 'Universit\xE4t'";
  journal.add(record);
  journal.add_failure("s", "tile", record.reason);
  journal.close({"s"}, [](const std::string&) { return true; });
  EXPECT_EQ(rows(folder / "slides.jsonl").size(), 1u);
  EXPECT_EQ(rows(folder / "failures.jsonl").size(), 1u);
}

TEST_F(Tiler, OnlyBadSlidesMakeAnEmptyStore) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  write_file(folder / "text.svs", std::string_view("not a slide"));
  const std::string whole = read_file(write_slide(folder / "whole.tiff", plain(600, 600, 200), 0.5));
  write_file(folder / "short.tiff", std::string_view(whole).substr(0, whole.size() / 2));
  c.slides = {folder / "text.svs", folder / "missing.svs", folder / "short.tiff", write_slide(folder / "coarse.tiff", plain(300, 300, 200), 2)};
  const TilingResult result = tile_slides(c);
  EXPECT_EQ(result.slides_failed, 4);
  EXPECT_TRUE(result.too_many_failed);
  EXPECT_THAT(result.failures.at("text"), HasSubstr("is not a slide that any reader knows"));
  EXPECT_THAT(result.failures.at("missing"), HasSubstr("does not exist"));
  EXPECT_THAT(result.failures.at("short"), HasSubstr("begins as a TIFF but is truncated or damaged: "));
  EXPECT_EQ(rows(folder / "store/failures.jsonl").size(), 4u);
  EXPECT_EQ(rows(folder / "store/slides.jsonl").size(), 4u);
  EXPECT_EQ(TileStore(folder / "store").n_tiles(), 0u);
  c.max_failed_fraction = 1;
  EXPECT_FALSE(tile_slides(c).too_many_failed);
  EXPECT_EQ(tile_slides(config(folder / "store")).slides_ok, 3) << "an empty store takes slides later";
  EXPECT_GT(TileStore(folder / "store").n_tiles(), 0u);
}

TEST_F(Tiler, RowsOfSlidesThatStayInTheStoreStay) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  const auto all = c.slides;
  c.slides = {all[1], folder / "missing.svs"};
  tile_slides(c);
  c.slides = {all[0]};
  tile_slides(c);
  const auto records = rows(folder / "store/slides.jsonl");
  ASSERT_EQ(records.size(), 2u) << "s0 is new, s1 stays, the slide that failed is named no more";
  EXPECT_EQ(records[0]["id"], "s0");
  EXPECT_EQ(records[1]["id"], "s1");
  EXPECT_EQ(records[1]["status"], "ok");
  EXPECT_EQ(TileStore(folder / "store").n_tiles(), records[0]["tiles"].get<uint64_t>() + records[1]["tiles"].get<uint64_t>());
}

TEST_F(Tiler, EmptySlidesAreNoFailures) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "store");
  c.slides = {write_slide(folder / "glass.tiff", plain(600, 600, 240), 0.5), write_slide(folder / "dark.tiff", plain(600, 600, 2), 0.5),
              write_slide(folder / "tiny.tiff", plain(30, 30, 240), 0.5)};
  const TilingResult result = tile_slides(c);
  EXPECT_EQ(result.slides_no_tissue, 3);
  EXPECT_EQ(result.slides_failed, 0);
  EXPECT_EQ(result.tiles, 0);
  const auto records = rows(folder / "store/slides.jsonl");
  EXPECT_EQ(records[0]["reason"], "no tissue found");
  EXPECT_EQ(records[1]["reason"], "no H&E tissue: dark background");
  EXPECT_EQ(records[2]["reason"], "slide smaller than one tile");
}

TEST_F(Tiler, RawTilesAndFiltersAndCounts) {
  const TemporaryFolder folder;
  TileConfig c = config(folder / "raw");
  c.encoding.codec = "raw";
  c.filter.hsv = true;
  c.filter.blur_threshold = 1e9;
  const TilingResult raw = tile_slides(c);
  const TilingResult all = tile_slides(config(folder / "all"));
  EXPECT_GT(raw.filtered.at("hsv"), 0);
  EXPECT_EQ(raw.tiles + raw.filtered.at("hsv"), all.tiles);
  const TileStore store(folder / "raw");
  EXPECT_EQ(store.tile(0).qc & kQcBlurred, kQcBlurred);
  EXPECT_EQ(raw.bytes, raw.tiles * 37 * 37 * 3);
}

TEST_F(Tiler, DamagedTilesAreCountedAndTooManyFailTheSlide) {
  const TemporaryFolder folder;
  const std::string path = write_slide(folder / "s.tiff", draw_slide(small_spec(2, 4300, 900)).image, 0.5, TiffCompression::kDeflate);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
  file << std::string(2000, '\xFF');
  file.close();
  TileConfig c = config(folder / "store");
  c.slides = {path};
  const TilingResult result = tile_slides(c);
  EXPECT_EQ(result.slides_failed, 1);
  EXPECT_THAT(result.failures.at("s"), HasSubstr("more than 1 % of the tiles are damaged"));
  const auto failures = rows(folder / "store/failures.jsonl");
  EXPECT_EQ(failures.front()["stage"], "tile");
  EXPECT_TRUE(failures.front().contains("x"));
}

TEST(RealSlides, TwoSectionsAndOneFluorescence) {
  const std::vector<std::string> names = {"CMU-1-Small-Region.svs", "lung-squamous-cell-carcinoma_HE3_40x.svs", "test3-DAPI-2.ndpi"};
  const TemporaryFolder folder;
  TileConfig c;
  for (const auto& name : names) c.slides.push_back(real_slide(name));
  if (c.slides[0].empty()) GTEST_SKIP() << "the shared slides are not here";
  c.store = folder / "store";
  c.run.threads = 2;
  const TilingResult result = tile_slides(c);
  const auto records = rows(folder / "store/slides.jsonl");
  EXPECT_EQ(records[2]["reason"], "no H&E tissue: dark background");
  EXPECT_EQ(result.slides_ok, 2);
  const TileStore store(c.store);
  std::vector<uint8_t> buffer;
  Image tile;
  for (uint64_t i = 0; i < store.n_tiles(); i += 7) {  // a tile that is nearly white would be glass
    store.read_image(i, buffer, tile);
    const double mean = std::accumulate(tile.rgb.begin(), tile.rgb.end(), 0.0) / static_cast<double>(tile.rgb.size());
    EXPECT_LT(mean, 245) << store.describe(i);
    EXPECT_GT(mean, 60) << store.describe(i);
  }
}

}  // namespace
}  // namespace eosin::data
