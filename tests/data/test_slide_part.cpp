// What a killed job or a full disk leaves behind.
#include "core/base/error.h"
#include "tests/data/store_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;

void append_tiles(SlidePart& part, size_t from, size_t to) {
  for (size_t t = from; t < to; ++t) part.append(test_tile(0, t), test_record(0, t, Codec::kJpeg));
}

TEST(SlidePart, IsRecoveredAfterACutAnywhere) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.part";
  {
    SlidePart part(path, "A", "id");
    append_tiles(part, 0, 2);
  }
  const auto whole = bytes_of(path);
  const PartContent content = scan_part(path, true);
  ASSERT_EQ(content.tiles.size(), 2u);
  for (size_t n = whole.size(); n > 11; n -= 11) {
    write_bytes(path, {whole.begin(), whole.begin() + static_cast<int64_t>(n)});
    const size_t want = n == whole.size() ? 2 : n >= content.offsets[0] + content.sizes[0] ? 1 : 0;
    SlidePart part(path, "A", "id");
    ASSERT_EQ(part.recovered().size(), want) << n;
    append_tiles(part, want, 2);
    EXPECT_EQ(bytes_of(path), whole);
  }
}

TEST(SlidePart, IsCutAtADamagedRecord) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.part";
  {
    SlidePart part(path, "A", "id");
    append_tiles(part, 0, 3);
  }
  const PartContent content = scan_part(path, true);
  auto bytes = bytes_of(path);
  bytes[content.offsets[1] + 5] ^= 4;
  write_bytes(path, bytes);
  EXPECT_EQ(scan_part(path, true).tiles.size(), 1u);
  EXPECT_EQ(scan_part(path, false).tiles.size(), 3u);
  SlidePart part(path, "A", "id");
  EXPECT_EQ(part.recovered().size(), 1u);
  EXPECT_EQ(part.n_tiles(), 1u);
}

/// Any bit of any record's head: what lies before it is kept, nothing of it or behind it.
TEST(SlidePart, IsCutAtADamagedHead) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.part";
  {
    SlidePart part(path, "A", "id");
    append_tiles(part, 0, 3);
    part.finish(test_slide("A"), {});
  }
  const PartContent content = scan_part(path, false);
  ASSERT_TRUE(content.finished);
  const auto good = bytes_of(path);
  const uint64_t head_bytes = content.offsets[1] - content.offsets[0] - content.sizes[0];
  for (uint64_t bit = 0; bit < 8 * head_bytes; ++bit) {
    auto bytes = good;
    bytes[content.offsets[1] - head_bytes + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    write_bytes(path, bytes);
    const PartContent left = scan_part(path, false);
    EXPECT_EQ(left.tiles.size(), 1u) << bit;
    EXPECT_FALSE(left.finished);
    EXPECT_EQ(left.valid_bytes, content.offsets[0] + content.sizes[0]);
  }
}

TEST(SlidePart, AFinishedPartThatWasDamagedIsMadeAgain) {
  for (const bool head : {true, false}) {
    const TemporaryFolder folder;
    const std::vector<std::string> ids = {"A", "B"};
    {
      TileStoreWriter writer(folder / "store", test_settings(), ids);
      write_slide(writer, "B", 1, 3, Codec::kJpeg);
    }
    for (const auto& e : fs::directory_iterator(folder / "store")) {
      if (e.path().extension() != ".part") continue;
      const PartContent content = scan_part(e.path().string(), true);
      auto bytes = bytes_of(e.path().string());
      bytes[head ? content.offsets[1] - 25 : content.offsets[1] + 7] ^= 2;
      write_bytes(e.path().string(), bytes);
    }
    TileStoreWriter writer(folder / "store", test_settings(), ids);
    EXPECT_FALSE(writer.is_complete("B"));
    write_slide(writer, "A", 0, 2, Codec::kJpeg);
    write_slide(writer, "B", 1, 3, Codec::kJpeg);
    const Shard shard(writer.close().at(0));
    ASSERT_EQ(shard.n_tiles(), 5u);
    for (uint64_t t = 0; t < 3; ++t) EXPECT_EQ(shard.tile(2 + t).x, test_tile(1, t).x);
  }
}

TEST(SlidePart, KeepsSlidesAndSettingsApart) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.part";
  {
    SlidePart part(path, "A", "id");
    append_tiles(part, 0, 1);
  }
  EXPECT_THROW(SlidePart(path, "A", "other"), Error);
  EXPECT_EQ(SlidePart(path, "B", "id").n_tiles(), 0u);
}

TEST(SlidePart, ATooLongTextIsNamed) {
  const TemporaryFolder folder;
  SlidePart part(folder / "a.part", "A", "id");
  SlideRow row = test_slide("A");
  row.stain = "a stain of more than sixteen letters";
  try {
    part.finish(row, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("stain"));
  }
}

/// Runs `job` in a child that may write files of at most `bytes`; returns its exit code.
template <class Job>
int with_file_limit(uint64_t bytes, Job&& job) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 0;
    try {
      job();
    } catch (const Error& e) {
      code = e.kind() == ErrorKind::Io && std::string(e.what()).find("bytes") != std::string::npos ? 4 : 99;
    } catch (...) {
      code = 98;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The disk fills while tiles are appended, and while a shard is made: one error with the bytes, and nothing is lost.
TEST(SlidePart, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  const std::vector<size_t> n_tiles = {8, 8};
  EXPECT_EQ(with_file_limit(4000, [&] { write_store(folder / "store", n_tiles); }), 4);
  EXPECT_EQ(with_file_limit(12000, [&] { write_store(folder / "store", n_tiles); }), 4);
  for (const auto& e : fs::directory_iterator(folder / "store")) EXPECT_NE(e.path().extension(), ".h5");
  write_store(folder / "store", n_tiles);
  write_store(folder / "plain", n_tiles);
  EXPECT_EQ(Shard(folder / "store/shard-00000.h5").header().index_crc32c, Shard(folder / "plain/shard-00000.h5").header().index_crc32c);
  for (const auto& e : fs::directory_iterator(folder / "store")) EXPECT_NE(e.path().extension(), ".tmp");
}

/// Killed at random moments until it is done: the same shards as of a run that was never killed.
TEST(SlidePart, AKilledJobGoesOn) {
  const TemporaryFolder folder;
  StoreSettings settings = test_settings();
  settings.max_shard_bytes = 8000;
  const std::vector<size_t> n_tiles = {40, 7, 60, 0, 33};
  const auto want = write_store(folder / "plain", n_tiles, settings);
  int kills = 0;
  for (int delay_us = 300;; delay_us += 700) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        write_store(folder / "killed", n_tiles, settings);
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(delay_us));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++kills;
  }
  EXPECT_GT(kills, 0);
  const TileStore plain(folder / "plain"), killed(folder / "killed");
  ASSERT_EQ(killed.n_shards(), want.size());
  for (size_t k = 0; k < want.size(); ++k) EXPECT_EQ(killed.shard(k).header().index_crc32c, plain.shard(k).header().index_crc32c);
  std::vector<uint8_t> a, b;
  for (uint64_t i = 0; i < plain.n_tiles(); ++i) {
    const auto left = plain.read(i, a), right = killed.read(i, b);
    EXPECT_TRUE(std::equal(left.begin(), left.end(), right.begin(), right.end()));
  }
}

}  // namespace
}  // namespace eosin::data
