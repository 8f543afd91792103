#include "data/webdataset.h"

#include "core/base/atomic_file.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "data/image_import.h"
#include "data/store_export.h"
#include "data/store_verify.h"
#include "tests/data/store_fixture.h"
#include "tests/data/tar_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

std::string jpeg(size_t tile) {
  const auto record = test_record(0, tile, Codec::kJpeg);
  return {record.begin(), record.end()};
}

ImportConfig config_of(const std::string& out) {
  ImportConfig config;
  config.out = out;
  return config;
}

TEST(WebDataset, SamplesBecomeTiles) {
  const TemporaryFolder folder;
  write_file(folder / "a.tar",
             tar_entry("__meta__.json", "{}") + tar_entry("train/0.jpg", jpeg(0)) + tar_entry("train/0.cls", "3\n") +
                 tar_entry("train/0.txt", "a caption") + tar_entry("train/0.seg.png", "other") + tar_entry("train/1.JPEG", jpeg(1)) +
                 tar_entry("train/1.json", R"({"label": "tumour", "slide": "S1", "patient": 7, "x": 40, "y": 80, "mpp": 0.5, "level0_size": 46})") +
                 tar_entry("train/2.txt", "no picture") + tar_end());
  const ImportResult result = import_images(folder / "a.tar", config_of(folder / "store"));
  EXPECT_EQ(result.copied, 2);
  EXPECT_EQ(result.bad, 0);
  const TileStore store(folder / "store");
  EXPECT_EQ(store.column("id"), (std::vector<std::string>{"train/0", "train/1"}));
  EXPECT_EQ(store.column("class"), (std::vector<std::string>{"3", "tumour"}));
  EXPECT_EQ(store.column("caption"), (std::vector<std::string>{"a caption", ""}));
  EXPECT_EQ(store.slides()[0].id, "train");
  EXPECT_EQ(store.slides()[1].id, "S1");
  EXPECT_EQ(store.slides()[1].patient, "7");
  EXPECT_EQ(store.slides()[1].mpp_x, 0.25);  // 23 pixels of 0.5 um are 46 of level 0
  EXPECT_EQ(store.tile(1).x, 40);
  EXPECT_EQ(store.tile(1).level0_size, 46u);
  std::vector<uint8_t> buffer;
  const auto bytes = store.read(1, buffer);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), jpeg(1));
}

/// Pictures first and labels behind them, or before: no label is lost in silence.
TEST(WebDataset, LabelsApartFromTheirPicturesAreRefused) {
  const TemporaryFolder folder;
  const std::string pictures = tar_entry("0.jpg", jpeg(0)) + tar_entry("1.jpg", jpeg(1)), labels = tar_entry("0.cls", "3") + tar_entry("1.cls", "4");
  for (const std::string& tar : {pictures + labels, labels + pictures}) {
    write_file(folder / "a.tar", tar + tar_end());
    EXPECT_THAT(message_of([&] { import_images(folder / "a.tar", config_of(folder / "store")); }, ErrorKind::Data),
                testing::AllOf(HasSubstr("'0.cls'"), HasSubstr("--sort=name")));
  }
  EXPECT_FALSE(fs::exists(folder / "store"));
}

TEST(WebDataset, MembersWithoutAPictureAreCounted) {
  const TemporaryFolder folder;
  write_file(folder / "a.tar", tar_entry("0.jpg", jpeg(0)) + tar_entry("0.cls", "3") + tar_entry("8.cls", "4") + tar_entry("9.cls", "5") + tar_end());
  log::set_file(folder / "log.txt");
  log::set_level(log::Level::Off);
  import_images(folder / "a.tar", config_of(folder / "store"));
  log::set_level(log::Level::Info);
  log::set_file("");
  EXPECT_THAT(read_file(folder / "log.txt"), HasSubstr("2 members have no picture beside them; the first: '8.cls'"));
}

TEST(WebDataset, KeysThatRepeatInAnotherTarAreTold) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "set");
  write_file(folder / "set/a.tar", tar_entry("0.jpg", jpeg(0)) + tar_end());
  write_file(folder / "set/b.tar", tar_entry("0.jpg", jpeg(1)) + tar_end());
  import_images(folder / "set", config_of(folder / "store"));
  EXPECT_EQ(TileStore(folder / "store").column("id"), (std::vector<std::string>{"a/0", "b/0"}));
}

TEST(WebDataset, OneBadRecordIsCountedAndNamed) {
  const TemporaryFolder folder;
  std::string tar;
  for (int i = 0; i < 9; ++i) tar += tar_entry(std::to_string(i) + ".jpg", i == 4 ? jpeg(4).substr(0, 200) : jpeg(static_cast<size_t>(i)));
  tar += tar_entry("9.jpg", jpeg(9)) + tar_entry("9.json", "{ no json") + tar_end();
  write_file(folder / "a.tar", tar);
  ImportConfig config = config_of(folder / "store");
  EXPECT_THAT(message_of([&] { import_images(folder / "a.tar", config); }, ErrorKind::Data),
              testing::AllOf(HasSubstr("1 of 10"), HasSubstr("a.tar: 4.jpg"), HasSubstr("max_bad_fraction")));
  config.max_bad_fraction = 0.2;
  const ImportResult result = import_images(folder / "a.tar", config);
  EXPECT_EQ(result.tiles, 8);
  EXPECT_EQ(result.bad, 2);
  EXPECT_THAT(result.failures.at("4"), HasSubstr("a.tar: 4.jpg"));
  EXPECT_THAT(result.failures.at("9"), HasSubstr("json"));
  EXPECT_EQ(TileStore(folder / "store").column("id").size(), 8u);
  EXPECT_THAT(read_file(folder / "store/failures.jsonl"), HasSubstr("a.tar: 4.jpg"));
  // The same command finds the slide done, and still knows what is missing.
  const ImportResult again = import_images(folder / "a.tar", config);
  EXPECT_EQ(again.bad, 2);
  EXPECT_EQ(again.copied, 0);
  EXPECT_EQ(again.tiles, 8);
}

TEST(WebDataset, SamplesThatAreNoneAreRefused) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& tar) {
    write_file(folder / "a.tar", tar + tar_end());
    return message_of([&] { import_images(folder / "a.tar", config_of(folder / "store")); }, ErrorKind::Data);
  };
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.png", "x")), HasSubstr("two pictures"));
  EXPECT_THAT(refusal(tar_entry("0.cls", "1") + tar_entry("0.cls", "2")), HasSubstr(".cls"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("1.jpg", jpeg(1)) + tar_entry("0.jpg", jpeg(0))), HasSubstr("there twice"));
  EXPECT_THAT(refusal(tar_entry("0.txt", "only text")), HasSubstr("no samples"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.txt", std::string(2u << 20, 'x'))), HasSubstr("0.txt"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"x": 1})")), HasSubstr("only one of x and y"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"x": 1, "y": 1, "level0_size": -7})")), HasSubstr("level0_size"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"mpp": -2})")), HasSubstr("mpp"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"x": 1e99, "y": 0})")), HasSubstr("level-0 pixels"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"x": 18446744073709551615, "y": 0})")), HasSubstr("level-0 pixels"));
  EXPECT_THAT(refusal(tar_entry("0.jpg", jpeg(0)) + tar_entry("0.json", R"({"slide": ")" + std::string(200, 's') + "\"}")),
              HasSubstr("too long a name"));
}

TEST(WebDataset, ExportAndImportAgain) {
  const TemporaryFolder folder;
  for (const Codec codec : {Codec::kJpeg, Codec::kRaw}) {
    const std::string name = data::name(codec);
    write_store(folder / (name + "-store"), {3, 5, 0, 4}, test_settings(codec));
    const TileStore first(folder / (name + "-store"));
    const auto format = codec == Codec::kRaw ? PictureFormat::kPng : PictureFormat::kJpeg;
    EXPECT_EQ(export_webdataset(first, folder / name, format, {5, 1 << 20}), 3);
    EXPECT_EQ(export_webdataset(first, folder / (name + "-small"), format, {1000, 1}), 12);
    EXPECT_EQ(export_webdataset(first, folder / (name + "-twin"), format, {5, 1 << 20}), 3);
    EXPECT_EQ(read_file(folder / (name + "/shard-00001.tar")), read_file(folder / (name + "-twin/shard-00001.tar")));
    EXPECT_THAT(message_of([&] { export_webdataset(first, folder / name, format, {}); }, ErrorKind::Config), HasSubstr("not empty"));

    ImportConfig config = config_of(folder / (name + "-again"));
    config.encoding.codec = name;
    import_images(folder / name, config);
    const TileStore second(config.out);
    ASSERT_EQ(second.n_tiles(), first.n_tiles());
    EXPECT_EQ(second.column("id")[7], "000000007");
    EXPECT_EQ(second.format().target_mpp, first.format().target_mpp);
    std::vector<uint8_t> a, b;
    for (uint64_t i = 0; i < first.n_tiles(); ++i) {
      const auto x = first.read(i, a), y = second.read(i, b);
      EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin(), y.end()));
      EXPECT_EQ(first.tile(i).x, second.tile(i).x);
      EXPECT_EQ(first.tile(i).level0_size, second.tile(i).level0_size);
      EXPECT_EQ(first.slides()[first.tile(i).slide].id, second.slides()[second.tile(i).slide].id);
    }
  }
}

TEST(WebDataset, AStoppedImportGoesOn) {
  const TemporaryFolder folder;
  std::string tar;
  for (int i = 0; i < 20; ++i) {
    tar += tar_entry(std::to_string(i) + ".jpg", jpeg(static_cast<size_t>(i)));
    tar += tar_entry(std::to_string(i) + ".json", R"({"slide": "S)" + std::to_string(i / 5) + "\"}");
  }
  write_file(folder / "a.tar", tar + tar_end());
  const auto stop_at = [](int64_t done, int64_t) {
    if (done == 7) stop::request();
  };
  const ImportResult first = import_images(folder / "a.tar", config_of(folder / "store"), stop_at);
  stop::reset();
  EXPECT_TRUE(first.stopped);
  EXPECT_FALSE(fs::exists(folder / "store/store.json"));
  const ImportResult second = import_images(folder / "a.tar", config_of(folder / "store"));
  EXPECT_EQ(second.copied, 15);
  EXPECT_EQ(TileStore(folder / "store").n_tiles(), 20u);
}

}  // namespace
}  // namespace eosin::data
