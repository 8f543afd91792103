#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/tensor/hdf5.h"
#include "data/shard_layout.h"
#include "data/store_manifest.h"
#include "data/store_verify.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <random>
#include <set>
#include <thread>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StoreCodec : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codecs, StoreCodec, testing::Values(Codec::kJpeg, Codec::kRaw));

TEST_P(StoreCodec, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings(GetParam());
  settings.max_shard_bytes = 1;  // a shard a slide
  const auto shards = write_store(folder / "store", {3, 0, 5}, settings);
  EXPECT_EQ(shards.size(), 2u);

  const TileStore store(folder / "store");
  EXPECT_EQ(store.n_tiles(), 8u);
  EXPECT_EQ(store.format().tile_height, kTestHeight);
  EXPECT_EQ(store.format().tile_width, kTestWidth);
  ASSERT_EQ(store.slides().size(), 3u);
  EXPECT_EQ(store.slides()[2].id, "C");
  EXPECT_EQ(store.slides()[2].first, 3u);
  EXPECT_EQ(store.slides()[2].count, 5u);
  EXPECT_EQ(store.slides()[1].count, 0u);
  EXPECT_EQ(store.slides()[0].patient, "patient of A");
  EXPECT_EQ(store.columns(), std::vector<std::string>{"class"});
  EXPECT_EQ(store.column("class")[3], "class of C 0");

  std::vector<uint8_t> buffer;
  Image image;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const size_t slide = i < 3 ? 0 : 2, tile = i < 3 ? i : i - 3;
    const auto want = test_record(slide, tile, GetParam());
    const auto got = store.read(i, buffer);
    EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin(), want.end())) << i;
    const TileRow row = store.tile(i), wrote = test_tile(slide, tile);
    EXPECT_EQ(row.slide, slide);
    EXPECT_EQ(row.x, wrote.x);
    EXPECT_EQ(row.y, wrote.y);
    EXPECT_EQ(row.tissue, wrote.tissue);
    EXPECT_EQ(row.qc, wrote.qc);
    store.read_image(i, buffer, image);
    EXPECT_EQ(image.height, kTestHeight);
    EXPECT_EQ(image.width, kTestWidth);
    if (GetParam() == Codec::kRaw) EXPECT_EQ(image.rgb, test_picture(slide, tile).rgb);
  }
  EXPECT_TRUE(verify_store(store, true, 2).empty());
}

TEST(StoreWriter, OtherSlidesGoOnWhileAShardIsWritten) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings(Codec::kRaw);
  settings.tile_height = settings.tile_width = 512;
  settings.max_shard_bytes = 1;
  TileStoreWriter writer(folder / "store", settings, {"A", "B"});
  SlidePart part = writer.begin("A");
  const std::vector<uint8_t> record(512 * 512 * 3, 7);
  for (size_t t = 0; t < 60; ++t) part.append(test_tile(0, t), record);

  std::thread finishing([&] { writer.finish(std::move(part), test_slide("A")); });
  const auto is_being_written = [&] { return fs::exists(folder / "store/shard-00000.h5.tmp"); };
  int64_t meanwhile = 0;
  while (!fs::exists(folder / "store/shard-00000.h5")) {
    if (!is_being_written()) continue;
    EXPECT_FALSE(writer.is_complete("B"));
    meanwhile += is_being_written();
  }
  finishing.join();
  EXPECT_GT(meanwhile, 0);
  writer.skip("B");
  EXPECT_EQ(writer.close().size(), 1u);
}

TEST(StoreWriter, AShardIsNeverPutInAnothersPlace) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 1;
  ASSERT_EQ(write_store(folder / "store", {3, 4}, settings).size(), 2u);
  fs::remove(folder / "store/shard-00000.h5");
  ASSERT_EQ(write_store(folder / "store", {3, 4}, settings).size(), 2u);
  const TileStore store(folder / "store");
  EXPECT_EQ(store.n_tiles(), 7u);
  EXPECT_TRUE(verify_store(store, true, 1).empty());
}

TEST(Store, AllStoresTogetherMayHoldTheirShardsOpen) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 1;
  for (const char* name : {"a", "b", "c"}) write_store(folder / name, {1, 1, 1, 1}, settings);
  fs::remove(folder / "c/store.json");
  fs::remove(folder / "c/store.lock");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 256 + 4;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    const TileStore a(folder / "a"), b(folder / "b"), c(folder / "c");
    rlimit after{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_GE(after.rlim_cur, 256u + 12u);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

/// The three lines of h5py in docs/formats.md, by the HDF5 library.
TEST(Store, IsPlainHdf5) {
  const TemporaryFolder folder;
  const auto shards = write_store(folder / "store", {4});
  const h5::File f = h5::File::open(shards.at(0));
  const auto o = f.read<uint64_t>("offsets");
  const auto jpeg = f.read<uint8_t>("jpeg", o[2], o[3] - o[2]);
  EXPECT_EQ(jpeg, test_record(0, 2, Codec::kJpeg));
  EXPECT_EQ(f.read_text("slides/id"), std::vector<std::string>{"A"});
  EXPECT_EQ(f.read_text("label_class").at(1), "class of A 1");
}

TEST(Store, AStoreWithoutTilesIsAStore) {
  const TemporaryFolder folder;
  write_store(folder / "store", {0});
  const TileStore store(folder / "store");
  EXPECT_EQ(store.n_tiles(), 0u);
  EXPECT_EQ(store.slides().size(), 1u);
  EXPECT_TRUE(verify_store(store, true).empty());
}

TEST(Store, ShardsDoNotDependOnThreadsOrRestarts) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 3000;
  const std::vector<size_t> n_tiles = {3, 1, 4, 0, 5, 2};
  const auto want = write_store(folder / "plain", n_tiles, settings);

  std::vector<std::string> ids = {"A", "B", "C", "D", "E", "F"};
  {
    TileStoreWriter first(folder / "resumed", settings, ids);
    write_slide(first, "E", 4, 5, Codec::kJpeg);
    write_slide(first, "A", 0, 3, Codec::kJpeg);
    SlidePart half = first.begin("C");
    half.append(test_tile(2, 0), test_record(2, 0, Codec::kJpeg));
  }
  write_bytes(folder / "resumed/shard-00000.h5.tmp", {1, 2, 3});
  {
    TileStoreWriter second(folder / "resumed", settings, ids);
    EXPECT_TRUE(second.is_complete("A"));
    EXPECT_TRUE(second.is_complete("E"));
    EXPECT_EQ(second.complete_slide("E").count, 5u);
    EXPECT_FALSE(second.is_complete("C"));
    std::vector<std::thread> pool;
    for (size_t s : {5, 3, 2, 1}) pool.emplace_back([&, s] { write_slide(second, ids[s], s, n_tiles[s], Codec::kJpeg); });
    for (auto& t : pool) t.join();
    second.close();
  }
  for (const auto& path : want) {
    const Shard a(path), b(folder / "resumed/" + fs::path(path).filename().string());
    EXPECT_EQ(a.header().index_crc32c, b.header().index_crc32c);
    auto bytes_a = bytes_of(a.path()), bytes_b = bytes_of(b.path());
    ASSERT_EQ(bytes_a.size(), bytes_b.size());
    size_t differing = 0;
    for (size_t i = 0; i < bytes_a.size(); ++i) differing += bytes_a[i] != bytes_b[i];
    EXPECT_LE(differing, 16u + 20u) << "more than uuid and time differ";
  }
  for (const auto& e : fs::directory_iterator(folder / "resumed")) EXPECT_NE(e.path().extension(), ".part");
}

TEST(Store, AppendingMakesAnotherShard) {
  const TemporaryFolder folder;
  write_store(folder / "store", {2});
  const auto before = bytes_of(folder / "store/shard-00000.h5");
  EXPECT_EQ(write_store(folder / "store", {2, 3}).size(), 2u);
  EXPECT_EQ(bytes_of(folder / "store/shard-00000.h5"), before);
  EXPECT_EQ(TileStore(folder / "store").n_tiles(), 5u);
}

TEST(Store, RefusesASecondWriterOtherSettingsAndDoubleIds) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  {
    TileStoreWriter writer(folder / "store", settings, {"A", "B"});
    write_slide(writer, "A", 0, 2, Codec::kJpeg);
  }
  settings.identity = "other";
  EXPECT_THAT(message_of([&] { TileStoreWriter(folder / "store", settings, {"A", "B"}); }, ErrorKind::Config), HasSubstr("other settings"));
  EXPECT_THAT(message_of([&] { TileStoreWriter(folder / "twice", settings, {"A", "B", "A"}); }, ErrorKind::Data), HasSubstr("'A'"));
  write_store(folder / "done", {1});
  EXPECT_THAT(message_of([&] { TileStoreWriter(folder / "done", settings, {"A"}); }, ErrorKind::Config), HasSubstr("shard-00000.h5"));
}

TEST(Store, AnUnfinishedFolderIsNotAStore) {
  const TemporaryFolder folder;
  {
    TileStoreWriter writer(folder / "store", test_settings(), {"A", "B"});
    write_slide(writer, "A", 0, 2, Codec::kJpeg);
  }
  EXPECT_THAT(message_of([&] { TileStore(folder / "store"); }, ErrorKind::Data), HasSubstr("not complete"));
  fs::create_directories(folder / "empty");
  message_of([&] { TileStore(folder / "empty"); }, ErrorKind::Data);
  message_of([&] { TileStore(folder / "absent"); }, ErrorKind::Io);
}

TEST(Store, AFolderOfShardsOrOneShardIsAStore) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 1;
  const auto shards = write_store(folder / "store", {2, 3}, settings);
  EXPECT_EQ(TileStore(shards[1]).n_tiles(), 3u);
  fs::create_directories(folder / "bare");
  for (const auto& s : shards) fs::copy_file(s, folder / "bare/" + fs::path(s).filename().string());
  const TileStore store(folder / "bare");
  EXPECT_EQ(store.n_tiles(), 5u);
  EXPECT_EQ(store.digest(), TileStore(folder / "store").digest());
}

TEST(Store, AShardThatIsNotTheManifestsIsRefused) {
  const TemporaryFolder folder;
  write_store(folder / "a", {2});
  write_store(folder / "b", {2});
  fs::copy_file(folder / "b/shard-00000.h5", folder / "a/shard-00000.h5", fs::copy_options::overwrite_existing);
  const TileStore store(folder / "a");
  EXPECT_THAT(message_of([&] { store.slides(); }, ErrorKind::Data), HasSubstr("uuid"));
  fs::resize_file(folder / "a/shard-00000.h5", fs::file_size(folder / "a/shard-00000.h5") - 1);
  EXPECT_THAT(message_of([&] { TileStore(folder / "a"); }, ErrorKind::Data), HasSubstr("the manifest says"));
  fs::remove(folder / "a/shard-00000.h5");
  message_of([&] { TileStore(folder / "a"); }, ErrorKind::Io);
}

TEST(Store, ADamagedManifestIsRefused) {
  const TemporaryFolder folder;
  write_store(folder / "store", {2});
  auto text = bytes_of(folder / "store/store.json");
  auto j = nlohmann::json::parse(text);
  j["shards"][0]["n_tiles"] = 3;
  const auto write = [&](const std::string& changed) { write_bytes(folder / "store/store.json", {changed.begin(), changed.end()}); };
  write(j.dump());
  EXPECT_THAT(message_of([&] { TileStore(folder / "store"); }, ErrorKind::Data), HasSubstr("checksum"));
  j.erase("crc32c");
  write(j.dump());
  EXPECT_THAT(message_of([&] { TileStore(folder / "store"); }, ErrorKind::Data), HasSubstr("digest"));
  write_bytes(folder / "store/store.json", {text.begin(), text.begin() + 40});
  message_of([&] { TileStore(folder / "store"); }, ErrorKind::Data);
}

/// What the manifest says of slides is compared when the shard is opened.
TEST(Store, AManifestThatMistakesItsSlidesIsFound) {
  const TemporaryFolder folder;
  write_store(folder / "store", {2, 3});
  auto entries = read_manifest(folder / "store/store.json").shards;
  (*entries[0].slides)[1].id = "Q";
  write_manifest(folder / "store", test_settings(), entries);
  const TileStore store(folder / "store");
  EXPECT_THAT(message_of([&] { store.tile(0); }, ErrorKind::Data), HasSubstr("its slide 1 is 'B' with tiles 2 + 3, the manifest says 'Q'"));
  (*entries[0].slides)[1].id = "B";
  entries[0].index_crc32c ^= 1;
  write_manifest(folder / "store", test_settings(), entries);
  const TileStore other_index(folder / "store");
  EXPECT_THAT(message_of([&] { other_index.tile(0); }, ErrorKind::Data), HasSubstr("its index_crc32c is"));
  entries[0].index_crc32c ^= 1;
  entries.push_back(entries[0]);
  write_manifest(folder / "store", test_settings(), entries);
  EXPECT_THAT(message_of([&] { TileStore(folder / "store"); }, ErrorKind::Data), HasSubstr("twice"));
}

/// A manifest with any one bit flipped is refused, or says what it said (the bit was in a blank, or in the checksum's own name).
TEST(Store, FlippedBitsOfTheManifestAreRefused) {
  const TemporaryFolder folder;
  write_store(folder / "store", {2});
  const std::string path = folder / "store/store.json", good = read_file(path);
  const auto content = [](const std::string& text) {
    auto j = nlohmann::json::parse(text);
    j.erase("crc32c");
    return j;
  };
  size_t read = 0;
  for (size_t bit = 0; bit < good.size() * 8; bit += 5) {
    std::string text = good;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    write_bytes(path, {text.begin(), text.end()});
    try {
      read_manifest(path);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Data);
      continue;
    }
    ++read;
    const auto left = content(text), before = content(good);
    for (const auto& [key, value] : before.items()) EXPECT_EQ(left.value(key, nlohmann::json()), value) << text;
  }
  EXPECT_LT(read, good.size() * 8 / 5 / 4);
}

/// One bit in 1 % of the records: all of them are found, and nothing else.
TEST(Store, FlippedBitsAreFound) {
  const TemporaryFolder folder;
  const auto shards = write_store(folder / "store", {250, 250});
  std::set<uint64_t> hit;
  {
    const Shard shard(shards.at(0));
    auto bytes = bytes_of(shards[0]);
    std::mt19937_64 random(3);
    while (hit.size() < 5) {
      const uint64_t tile = random() % shard.n_tiles();
      if (!hit.insert(tile).second) continue;
      bytes[shard.payload_offset() + shard.offset(tile) + random() % shard.size(tile)] ^= static_cast<uint8_t>(1u << random() % 8);
    }
    write_bytes(shards[0], bytes);
  }
  const TileStore store(folder / "store");
  std::set<uint64_t> found;
  for (const DamagedTile& bad : verify_store(store, false, 2)) {
    found.insert(bad.index);
    const TileRow row = store.tile(bad.index);
    EXPECT_THAT(bad.reason, HasSubstr(fmt::format("slide {}, x {}, y {}", store.slides()[row.slide].id, row.x, row.y)));
  }
  EXPECT_EQ(found, hit);
  std::vector<uint8_t> buffer;
  EXPECT_THAT(message_of([&] { store.read(*hit.begin(), buffer); }, ErrorKind::Data), HasSubstr("damaged"));
}

/// A bit anywhere in the index is refused on opening.
TEST(Store, FlippedBitsOfTheIndexAreRefused) {
  const TemporaryFolder folder;
  const auto path = write_store(folder / "store", {6, 5}).at(0);
  const auto good = bytes_of(path);
  const h5::File f = h5::File::open(path);
  for (const char* name : {"offsets", "crc32c", "coords", "slide", "level0_size", "tissue", "qc", "slides/id", "slides/mpp_x", "slides/count"}) {
    const h5::Info info = f.info(name);
    auto bytes = good;
    bytes[info.offset.value() + info.stored_bytes / 2] ^= 1;
    write_bytes(folder / "bad.h5", bytes);
    message_of([&] { Shard(folder / "bad.h5"); }, ErrorKind::Data);
  }
}

/// A bit anywhere in a column of labels is found when the column is read, and by verify; a shard of an earlier version has no such checksum.
TEST(Store, FlippedBitsOfALabelAreFound) {
  const TemporaryFolder folder;
  const std::string path = write_store(folder / "store", {6, 5}).at(0);
  EXPECT_TRUE(verify_columns(TileStore(path)).empty());
  const auto good = bytes_of(path);
  const h5::Info info = h5::File::open(path).info("label_class");
  for (uint64_t at = 0; at < info.stored_bytes; at += 5) {
    auto bytes = good;
    bytes[info.offset.value() + at] ^= 1;
    write_bytes(path, bytes);
    EXPECT_THAT(message_of([&] { TileStore(path).column("class"); }, ErrorKind::Data), HasSubstr("'label_class' is damaged"));
    EXPECT_THAT(verify_columns(TileStore(path)), testing::ElementsAre(HasSubstr("'label_class'")));
  }
}

TEST(Store, AColumnWithoutAChecksumIsRead) {
  const TemporaryFolder folder;
  const std::string path = write_store(folder / "store", {2}).at(0);
  const hid_t file = ::H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  ASSERT_GE(::H5Adelete_by_name(file, "label_class", "crc32c", H5P_DEFAULT), 0);
  ::H5Fclose(file);
  EXPECT_EQ(Shard(path).column("class"), (std::vector<std::string>{"class of A 0", "class of A 1"}));
  EXPECT_TRUE(verify_columns(TileStore(path)).empty());
}

/// Cut at any length a shard is refused; with any bit of its metadata flipped it is refused or reads as before.
TEST(Store, DamagedFilesNeverCrash) {
  const TemporaryFolder folder;
  const auto good = bytes_of(write_store(folder / "store", {2}).at(0));
  for (size_t n = 0; n < good.size(); n += 1 + good.size() / 97) {
    write_bytes(folder / "bad.h5", {good.begin(), good.begin() + static_cast<int64_t>(n)});
    EXPECT_THROW(Shard(folder / "bad.h5"), Error) << n;
  }
  const Shard whole(folder / "store/shard-00000.h5");
  std::mt19937_64 random(7);
  for (int round = 0; round < 1000; ++round) {
    auto bytes = good;
    bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1u << random() % 8);
    write_bytes(folder / "bad.h5", bytes);
    try {
      const Shard shard(folder / "bad.h5");
      std::vector<uint8_t> buffer;
      for (uint64_t i = 0; i < shard.n_tiles(); ++i) shard.read(i, buffer);
      EXPECT_EQ(header_checksum(shard.header()), header_checksum(whole.header()));
      EXPECT_EQ(shard.slides().at(0).id, whole.slides().at(0).id);
    } catch (const Error&) {
    }
  }
}

/// A writer that is mistaken about its tiles: the pictures themselves tell whether they are true.
TEST(Store, ATileSizeThatIsNotThePicturesIsFound) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.tile_width = kTestWidth + 2;
  write_store(folder / "store", {2, 3}, settings);
  const auto bad = verify_store(TileStore(folder / "store"), false, 1);
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_THAT(bad[0].reason, HasSubstr("the picture is 23 x 19 pixels, the store's tiles are 25 x 19"));
  for (const uint32_t edge : {0u, 65'501u}) {
    settings = test_settings();
    settings.tile_height = edge;
    EXPECT_THAT(message_of([&] { write_store(folder / std::to_string(edge), {2}, settings); }, ErrorKind::Data),
                HasSubstr("need edges of 1 to 65500"));
  }
}

TEST(Store, ManyThreadsReadAtOnce) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings(Codec::kRaw);
  settings.max_shard_bytes = 5000;
  write_store(folder / "store", {7, 5, 11}, settings);
  const TileStore store(folder / "store");
  std::vector<std::thread> pool;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    pool.emplace_back([&] {
      std::vector<uint8_t> buffer;
      Image image;
      for (uint64_t i = 0; i < store.n_tiles(); ++i) {
        const TileRow row = store.tile(i);
        store.read_image(i, buffer, image);
        wrong += image.rgb != test_picture(row.slide, static_cast<size_t>(row.x / 46)).rgb;
      }
    });
  for (auto& t : pool) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace eosin::data
