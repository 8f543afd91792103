#include "data/tar_file.h"

#include "core/base/atomic_file.h"
#include "tests/data/tar_fixture.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::vector<std::pair<std::string, std::string>> contents(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> found;
  std::vector<TarMember> members;
  for_each_tar_member(path, [&](const TarMember& m, const auto& read) {
    found.emplace_back(m.name, read());
    members.push_back(m);
  });
  // The same by position, last first.
  for (size_t i = members.size(); i-- > 0;) EXPECT_EQ(read_tar_member(path, members[i]), found[i].second) << found[i].first;
  return found;
}

std::string refusal(const TemporaryFolder& folder, const std::string& tar) {
  write_file(folder / "bad.tar", tar);
  return message_of([&] { contents(folder / "bad.tar"); }, ErrorKind::Data);
}

TEST(TarFile, EveryDressIsRead) {
  const TemporaryFolder folder;
  const std::string deep = std::string(120, 'd') + "/" + std::string(90, 'f') + ".jpg", accent = "tumeur/é.jpg";
  const std::string tar = tar_entry("plain.jpg", "abc") + tar_entry("folder/", "", '5') + gnu_long_name(deep) + tar_entry("cut", "long") +
                          tar_entry("link", "", '2') + pax_name(accent) + tar_entry("ascii", std::string(1500, 'x')) + tar_entry("empty", "") +
                          tar_end();
  write_file(folder / "a.tar", tar);
  EXPECT_THAT(contents(folder / "a.tar"),
              ElementsAre(Pair("plain.jpg", "abc"), Pair(deep, "long"), Pair(accent, std::string(1500, 'x')), Pair("empty", "")));
}

TEST(TarFile, HostileArchivesAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder, tar_entry("../../etc/passwd", "x") + tar_end()), testing::AllOf(HasSubstr("../../etc/passwd"), HasSubstr("leaves")));
  EXPECT_THAT(refusal(folder, tar_entry("a/../../b", "x") + tar_end()), HasSubstr("leaves"));
  EXPECT_THAT(refusal(folder, tar_entry("/abs.jpg", "x") + tar_end()), HasSubstr("leaves"));
  EXPECT_THAT(refusal(folder, tar_entry("bad\xff.jpg", "x") + tar_end()), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal(folder, tar_header("huge.jpg", uint64_t{7} << 30, '0') + tar_end()),
              testing::AllOf(HasSubstr("huge.jpg"), HasSubstr("claims")));
  EXPECT_THAT(refusal(folder, tar_header("more.jpg", 60u << 20, '0') + tar_end()), testing::AllOf(HasSubstr("more.jpg"), HasSubstr("truncated")));
  EXPECT_THAT(refusal(folder, ""), HasSubstr("end mark"));
  EXPECT_THAT(refusal(folder, "\x1F\x8B\x08 packed"), HasSubstr("gzip file: unpack it first"));
  EXPECT_THAT(refusal(folder, std::string(4096, 'x') + tar_end()), HasSubstr("bad.tar"));
  std::string flipped = tar_entry("a.jpg", "x") + tar_end();
  flipped[3] ^= 1;
  EXPECT_THAT(refusal(folder, flipped), HasSubstr("bad.tar"));
}

TEST(TarFile, TruncationIsFoundAtEveryBlock) {
  const TemporaryFolder folder;
  std::string body;
  for (int i = 0; i < 900; ++i) body += static_cast<char>(1 + i % 250);
  const std::string tar = tar_entry("a.jpg", body) + pax_name("ü.jpg") + tar_entry("b", body.substr(0, 512)) + tar_end();
  for (size_t cut = 0; cut + 1024 < tar.size(); cut += 128) EXPECT_THAT(refusal(folder, tar.substr(0, cut)), HasSubstr("bad.tar")) << cut;
}

TEST(TarFile, WritesTheSameBytesAndReadsThemBack) {
  const TemporaryFolder folder;
  for (const char* name : {"1.tar", "2.tar"}) {
    TarWriter tar(folder / name);
    tar.add("000.jpg", "picture");
    tar.add("000.json", std::string(3000, ' '));
    EXPECT_FALSE(fs::exists(folder / name));
    tar.commit();
  }
  EXPECT_EQ(read_file(folder / "1.tar"), read_file(folder / "2.tar"));
  EXPECT_THAT(contents(folder / "1.tar"), ElementsAre(Pair("000.jpg", "picture"), Pair("000.json", std::string(3000, ' '))));
  {
    TarWriter abandoned(folder / "3.tar");
    abandoned.add("a", "b");
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
  EXPECT_THAT(message_of([] { TarWriter tar("/dev/full/x.tar"); }, ErrorKind::Io), HasSubstr("/dev/full/x.tar"));
}

TEST(TarFile, AChangedArchiveIsNoticed) {
  const TemporaryFolder folder;
  write_file(folder / "a.tar", tar_entry("a.jpg", "abc") + tar_end());
  EXPECT_THAT(message_of([&] { read_tar_member(folder / "a.tar", {"b.jpg", 0, 3}); }, ErrorKind::Data), HasSubstr("has changed"));
  EXPECT_THAT(message_of([&] { read_tar_member(folder / "a.tar", {"a.jpg", 512, 3}); }, ErrorKind::Data), HasSubstr("a.tar"));
}

}  // namespace
}  // namespace eosin::data
