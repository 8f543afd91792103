#include "data/labelled_source.h"

#include "data/loader.h"
#include "data/store_source.h"
#include "data/view_presets.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace eosin::data {
namespace {

using testing::HasSubstr;

/// Slides A (7 tiles) and B (5); classes "10", "9" and none in turn, the last two tiles of a slide "test".
struct LabelledStore {
  LabelledStore() {
    const StoreSettings settings = test_settings();
    TileStoreWriter writer(folder / "store", settings, {"A", "B"});
    write("A", 0, 7, writer);
    write("B", 1, 5, writer);
    writer.close();
    source = std::make_shared<const StoreSource>(std::vector<std::string>{folder / "store"});
  }
  static void write(const std::string& id, size_t slide, size_t n, TileStoreWriter& writer) {
    SlidePart part = writer.begin(id);
    TextColumns columns;
    for (size_t t = 0; t < n; ++t) {
      part.append(test_tile(slide, t), test_record(slide, t, Codec::kJpeg));
      columns["class"].push_back(std::vector<std::string>{"10", "9", ""}[t % 3]);
      columns["split"].push_back(t + 2 < n ? "train" : "test");
      columns["lone"].push_back("same");
    }
    writer.finish(std::move(part), test_slide(id), columns);
  }
  LabelledSource labelled(const std::string& split = "", const std::string& column = "class") const { return {source, {column, "split", split}}; }
  TemporaryFolder folder;
  std::shared_ptr<const StoreSource> source;
};

std::vector<int64_t> labels_of(const LabelledSource& source) {
  std::vector<int64_t> labels;
  for (uint64_t i = 0; i < source.n_tiles(); ++i) labels.push_back(*source.label(i));
  return labels;
}

TEST(LabelledSource, HoldsTheTilesThatHaveAClassAndNumbersThemAnew) {
  const LabelledStore store;
  const LabelledSource all = store.labelled();
  EXPECT_EQ(all.classes().names, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(all.classes().tiles, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(labels_of(all), (std::vector<int64_t>{1, 0, 1, 0, 1, 1, 0, 1, 0}));
  EXPECT_EQ(all.id({2, 0}).x, store.source->id({3, 0}).x);  // tile 2 has no class
  EXPECT_EQ(all.file(8), store.source->file(11));
  std::vector<uint8_t> buffer;
  Image got, want;
  all.read_image({5, 0}, buffer, got);
  store.source->read_image({7, 0}, buffer, want);
  EXPECT_EQ(got.rgb, want.rgb);
  all.will_read({{0, 9}});
  EXPECT_NE(all.digest(), store.source->digest());
  EXPECT_FALSE(store.source->label(0).has_value());
}

TEST(LabelledSource, APartOfTheSplitHasTheClassesOfAllParts) {
  const LabelledStore store;
  const LabelledSource test = store.labelled("test");
  EXPECT_EQ(labels_of(test), (std::vector<int64_t>{1, 1, 0}));  // A's last but one has no class
  EXPECT_EQ(test.classes().names, store.labelled().classes().names);
  EXPECT_EQ(test.n_tiles() + store.labelled("train").n_tiles(), store.labelled().n_tiles());
  EXPECT_NE(test.digest(), store.labelled("train").digest());
}

TEST(LabelledSource, GroupsAreThoseOfItsOwnTiles) {
  const LabelledStore store;
  const LabelledSource train = store.labelled("train");
  std::set<uint64_t> seen;
  for (const TileGroup& group : train.groups("slide"))
    for (uint64_t i = 0; i < group.tiles.size(); ++i) {
      EXPECT_EQ(train.id({group.tiles[i], 0}).slide, group.name == "A" ? 0 : 1);
      EXPECT_TRUE(seen.insert(group.tiles[i]).second);
    }
  EXPECT_EQ(seen.size(), train.n_tiles());
}

TEST(LabelledSource, WhatCannotWorkIsNamed) {
  const LabelledStore store;
  EXPECT_THAT(message_of([&] { store.labelled("", "organ"); }, ErrorKind::Config), HasSubstr("no column 'organ'"));
  EXPECT_THAT(message_of([&] { store.labelled("", "lone"); }, ErrorKind::Data), HasSubstr("1 class: same (need at least 2)"));
  EXPECT_THAT(message_of([&] { store.labelled("validation"); }, ErrorKind::Data),
              HasSubstr("has 'validation' in column 'split'; it has: test, train"));
}

TEST(LabelledSource, BatchesCarryTilesAndLabels) {
  const LabelledStore store;
  const auto source = std::make_shared<const LabelledSource>(store.labelled());
  MultiCropConfig views = view_preset("supervised");
  views.global_size_px = 8;
  LoaderPlace place;
  place.local_batch = 4;
  ViewLoader labelled(source, views, {}, place), plain(store.source, views, {}, place);
  const ViewBatch batch = labelled.next();
  ASSERT_EQ(batch.tiles.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(batch.labels_B[static_cast<int64_t>(i)].item<int64_t>(), *source->label(static_cast<uint64_t>(batch.tiles[i])));
    EXPECT_EQ(batch.ids[i].x, source->id({static_cast<uint64_t>(batch.tiles[i]), 0}).x);
  }
  EXPECT_FALSE(plain.next().labels_B.defined());
}

}  // namespace
}  // namespace eosin::data
