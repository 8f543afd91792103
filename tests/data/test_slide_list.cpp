#include "core/base/error.h"
#include "core/base/log.h"
#include "data/slide_list.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace eosin::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> ids(const std::vector<SlideEntry>& entries) {
  std::vector<std::string> names;
  for (const auto& e : entries) names.push_back(e.id);
  return names;
}

std::string refusal(const std::vector<std::string>& words, ErrorKind kind) {
  return message_of([&] { list_slides(words); }, kind);
}

TEST(SlideList, PathsGlobsFoldersAndLists) {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  for (const char* name : {"b.tiff", "a.tiff"}) write_slide(folder / name, plain(100, 100, 200), 0.5);
  write_file(folder / "note.md", std::string_view("no slide"));
  write_file(folder / "list.txt", "\xEF\xBB\xBF" + (folder / "b.tiff") + "\r\n\n" + (folder / "gone.svs") + "\n");
  EXPECT_THAT(ids(list_slides({root})), ElementsAre("a", "b"));
  EXPECT_THAT(ids(list_slides({root + "/*.tiff"})), ElementsAre("a", "b"));
  EXPECT_THAT(ids(list_slides({folder / "list.txt"})), ElementsAre("b", "gone"));
  EXPECT_THAT(ids(list_slides({folder / "b.tiff", "missing.svs"})), ElementsAre("b", "missing"));
}

TEST(SlideList, WhatAFolderLeavesOutIsNamedInOneLine) {
  const TemporaryFolder folder;
  const std::string root = folder / "slides", log = folder / "log.txt";
  std::filesystem::create_directories(root + "/more");
  write_slide(root + "/a.tiff", plain(100, 100, 200), 0.5);
  for (const char* name : {"b.dcm", "c.ome.tiff", "d.md", "e.md", "f.md"}) write_file(root + "/" + name, std::string_view("no slide"));
  log::set_file(log);
  log::set_level(log::Level::Off);
  list_slides({root});
  log::set_level(log::Level::Info);
  log::set_file("");
  const std::string text = read_file(log);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, HasSubstr("1 sub-folders (name them to read them) and 5 files that no reader accepts: b.dcm, c.ome.tiff, d.md, e.md, f.md, ..."));
  EXPECT_THAT(text, HasSubstr("DICOM needs OpenSlide 4"));
  EXPECT_THAT(text, HasSubstr("OME-TIFF"));
}

TEST(SlideList, ADamagedSlideOfAFolderIsListedSoThatItFails) {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  write_slide(folder / "a.tiff", plain(100, 100, 200), 0.5);
  write_file(folder / "cut.SVS", std::string_view("no slide"));
  EXPECT_THAT(ids(list_slides({root})), ElementsAre("a", "cut"));
}

TEST(SlideList, CohortTable) {
  const TemporaryFolder folder;
  write_slide(folder / "a.tiff", plain(100, 100, 200), 0.5);
  write_file(folder / "c.csv", std::string_view("slide,patient,label,centre,mpp,path\n007,p1,x,A,0.25,a.tiff\n008,p2,y,B,,/abs/b.tiff\n"));
  const auto entries = list_slides({folder / "c.csv"});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].id, "007");
  EXPECT_EQ(entries[0].path, (folder / "a.tiff"));
  EXPECT_EQ(entries[0].patient, "p1");
  EXPECT_EQ(entries[0].site, "A");
  EXPECT_EQ(entries[0].mpp, 0.25);
  EXPECT_EQ(entries[1].path, "/abs/b.tiff");
  EXPECT_FALSE(entries[1].mpp);
}

TEST(SlideList, CohortTablesOfOtherToolsAreRead) {
  const TemporaryFolder folder;
  write_slide(folder / "a.tiff", plain(100, 100, 200), 0.5);
  write_file(folder / "clam.csv", std::string_view("case_id,slide_id,label,path\np1,s1,x,a.tiff\n"));
  write_file(folder / "trident.csv", std::string_view("wsi,mpp\na.tiff,0.25\n"));
  const auto clam = list_slides({folder / "clam.csv"}), trident = list_slides({folder / "trident.csv"});
  EXPECT_EQ(clam[0].id, "s1");
  EXPECT_EQ(clam[0].patient, "p1");
  EXPECT_EQ(trident[0].id, "a");
  EXPECT_EQ(trident[0].mpp, 0.25);
}

TEST(SlideList, MistakesAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal({}, ErrorKind::Config), HasSubstr("no slides were named"));
  EXPECT_THAT(refusal({folder / "*.svs"}, ErrorKind::Config), HasSubstr("nothing matches"));
  EXPECT_THAT(refusal({"x/a.svs", "y/a.ndpi"}, ErrorKind::Data), HasSubstr("two slides have the id 'a': 'x/a.svs' and 'y/a.ndpi'"));
  write_file(folder / "m.csv", std::string_view("slide,path,mpp\na,a.svs,0.5\nb,b.svs,half\n"));
  EXPECT_THAT(refusal({folder / "m.csv"}, ErrorKind::Data), HasSubstr("m.csv:3: mpp of slide 'b' is no scale (got 'half'"));
  write_file(folder / "p.csv", std::string_view("slide,path\na,\n"));
  EXPECT_THAT(refusal({folder / "p.csv"}, ErrorKind::Data), HasSubstr("p.csv:2: slide 'a' has no path"));
  for (const char* id : {"../up", "a/b", "..", "/abs"}) {
    write_file(folder / "t.csv", "slide,path\n" + std::string(id) + ",a.svs\n");
    EXPECT_THAT(refusal({folder / "t.csv"}, ErrorKind::Data), HasSubstr("cannot name a file"));
  }
  EXPECT_THAT(refusal({"b\xe9.tiff"}, ErrorKind::Data), HasSubstr("not UTF-8"));
  write_file(folder / "n.csv", std::string_view("slide,place\na,b\n"));
  EXPECT_THAT(refusal({folder / "n.csv"}, ErrorKind::Data), HasSubstr("no column of paths (has slide, place"));
}

}  // namespace
}  // namespace eosin::data
