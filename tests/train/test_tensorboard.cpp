#include "train/tensorboard.h"

#include "core/base/error.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace eosin::train {
namespace {
namespace fs = std::filesystem;

struct TensorboardTest : testing::Test {
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "eosin-events-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string folder;
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The payloads of a file whose records are whole.
std::vector<std::string> records(const std::string& bytes) {
  std::vector<std::string> found;
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    found.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(tfrecord(found.back()), bytes.substr(at, length + 16));
    at += length + 16;
  }
  return found;
}

// Bytes written by the tensorboard package for the first event of a file: wall_time 1.5, file_version "brain.Event:2".
TEST_F(TensorboardTest, RecordFramingIsThatOfTheOriginal) {
  const std::string payload(
      "\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x1a\x0d"
      "brain.Event:2",
      24);
  const unsigned char want[] = {0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xa3, 0x7f, 0x4b, 0x22, 0x09, 0x00,
                                0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x3f, 0x1a, 0x0d, 0x62, 0x72, 0x61, 0x69, 0x6e,
                                0x2e, 0x45, 0x76, 0x65, 0x6e, 0x74, 0x3a, 0x32, 0x2a, 0x28, 0x64, 0x6c};
  EXPECT_EQ(tfrecord(payload), std::string(reinterpret_cast<const char*>(want), sizeof(want)));
}

TEST_F(TensorboardTest, ScalarsAndImagesAreEncodedFieldByField) {
  EventWriter writer(folder + "/deeper", 8);
  writer.scalar("train/loss", 300, 0.5);
  writer.image("views", 3, "PNG!", 2, 3, 3);
  writer.flush();
  const auto events = records(read(writer.path()));
  ASSERT_EQ(events.size(), 4u);
  EXPECT_THAT(events[0], testing::HasSubstr("brain.Event:2"));
  EXPECT_EQ(events[1].substr(9), std::string("\x10\x08\x3a\x02\x08\x01", 6));
  EXPECT_EQ(events[2].substr(9), std::string("\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\x00\x00\x00\x3f", 24));
  EXPECT_EQ(events[3].substr(9), std::string("\x10\x03\x2a\x17\x0a\x15\x0a\x05views\x22\x0c\x08\x02\x10\x03\x18\x03\x22\x04PNG!", 27));
}

TEST_F(TensorboardTest, AFolderThatCannotBeMadeIsAnIoError) {
  std::ofstream(folder + "/file") << "in the way";
  message_of([&] { EventWriter(folder + "/file", 1); }, ErrorKind::Io);
}

}  // namespace
}  // namespace eosin::train
