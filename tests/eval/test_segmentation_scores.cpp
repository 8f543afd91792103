#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "eval/report.h"
#include "eval/scoring.h"
#include "eval/segmentation_scores.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <filesystem>
#include <functional>

namespace eosin::eval {
namespace {

using testing::HasSubstr;

using Labels16 = std::vector<uint16_t>;

/// Label maps of 4 x 3 pixels in folders of their own.
class Segmentation : public testing::Test {
 protected:
  Segmentation() {
    for (const char* dir : {"truth", "pred"}) std::filesystem::create_directories(folder_ / dir);
  }
  void put(const std::string& name, const Labels16& values, png_uint_32 format = PNG_FORMAT_LINEAR_Y) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = 4, image.height = static_cast<png_uint_32>(values.size() / 4 / (format == PNG_FORMAT_LINEAR_Y ? 1 : 3));
    image.format = format;
    ASSERT_TRUE(png_image_write_to_file(&image, (folder_ / name).c_str(), 0, values.data(), 0, nullptr));
  }
  std::vector<MapPair> pairs() { return pair_label_maps(folder_ / "truth", folder_ / "pred"); }
  std::string refusal(const std::function<void()>& f) { return message_of(f, ErrorKind::Data); }
  TemporaryFolder folder_;
};

double value(const SegmentationScores& s, const std::string& name) {
  for (const RowMeasure& m : s.measures)
    if (m.name == name) return *statistic_of(m)({});
  ADD_FAILURE() << name;
  return 0;
}

TEST_F(Segmentation, InstancesAreScoredByPictureAndPooled) {
  put("truth/a.png", {1, 1, 0, 500, 1, 1, 0, 500, 0, 0, 0, 0});
  put("pred/a.png", {7, 7, 0, 0, 7, 7, 0, 0, 0, 0, 0, 0});  // one found, 500 missed
  put("truth/b.png", {2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0});
  put("pred/b.png", {1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // IoU 3/4
  put("truth/c.png", Labels16(12, 0));
  put("pred/c.png", Labels16(12, 0));
  const SegmentationScores s = score_instances(pairs(), 0.5);
  EXPECT_EQ(s.ids, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(s.empty, (std::vector<std::string>{"c"}));
  EXPECT_NEAR(value(s, "pq"), (1 / 1.5 + 0.75) / 2, 1e-5);
  EXPECT_NEAR(value(s, "pq_pooled"), 1.75 / (2 + 0.5), 1e-9);
  EXPECT_NEAR(value(s, "dice"), (2 * 4 / 10.0 + 2 * 3 / 7.0) / 2, 1e-12);
}

TEST_F(Segmentation, ClassesArePooledOverThePictures) {
  put("truth/a.png", {0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 2});
  put("pred/a.png", {0, 1, 1, 1, 0, 0, 1, 1, 2, 2, 0, 2});
  const SegmentationScores s = score_classes(pairs(), 4);
  EXPECT_NEAR(value(s, "pixel_accuracy"), 10 / 12.0, 1e-12);
  EXPECT_NEAR(value(s, "iou_1"), 4 / 5.0, 1e-12);
  EXPECT_NEAR(value(s, "dice_2"), 6 / 7.0, 1e-12);
  EXPECT_FALSE(statistic_of(s.measures[3])({}).has_value());  // class 3 is on neither side
  EXPECT_THAT(refusal([&] { score_classes(pairs(), 2); }), HasSubstr("'a' holds label 2 (need 0 ... 1)"));
}

TEST_F(Segmentation, ScoresCarryIntervalsOfTheGroups) {
  for (const char* name : {"a", "b", "c"}) {
    put(std::string("truth/") + name + ".png", {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    put(std::string("pred/") + name + ".png", {1, static_cast<uint16_t>(*name == 'a'), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  }
  LabelledSet set;
  FoldResult all;
  const SegmentationScores s = score_instances(pairs(), 0.3);
  set.ids = s.ids, set.groups = {"p", "q"}, set.group = {0, 1, 1}, set.grouped = true;
  all.rows = {0, 1, 2};
  all.result.measures = s.measures;
  ScoringConfig config;
  config.bootstrap = 50;
  const auto results = score_folds(set, {all}, config);
  EXPECT_EQ(results["metrics"].size(), 7U);  // and no metric of classes
  EXPECT_EQ(results["metrics"][0]["name"], "pq");
  EXPECT_NEAR(results["metrics"][0]["mean"].get<double>(), 2 / 3.0, 1e-5);
  EXPECT_NEAR(results["metrics"][0]["ci_high"].get<double>(), 1, 1e-5);
  RunRecord run;
  run.results = results;
  EXPECT_THAT(report_html({run}), HasSubstr("pq_pooled"));
}

TEST_F(Segmentation, WhatDoesNotFitIsNamed) {
  put("truth/a.png", Labels16(12, 0));
  EXPECT_THAT(refusal([&] { pairs(); }), HasSubstr("holds no label map"));
  put("pred/b.png", Labels16(12, 0));
  EXPECT_THAT(refusal([&] { pairs(); }), HasSubstr("'a' has no prediction"));
  put("pred/a.png", Labels16(8, 0));
  EXPECT_THAT(refusal([&] { score_instances(pairs(), 0.5); }), HasSubstr("'a' differs in size from its prediction (got 4 x 2, need 4 x 3)"));
  put("pred/a.png", Labels16(12, 0));
  EXPECT_THAT(refusal([&] { score_instances(pairs(), 0.5); }), HasSubstr("none of 1 pictures"));
  put("pred/a.png", Labels16(36, 9), PNG_FORMAT_LINEAR_RGB);
  EXPECT_THAT(refusal([&] { score_instances(pairs(), 0.5); }), HasSubstr("has colours"));
  write_file(folder_ / "pred/a.png", "no picture");
  EXPECT_THAT(refusal([&] { score_instances(pairs(), 0.5); }), HasSubstr("is not a PNG"));
  std::filesystem::remove(folder_ / "pred/a.png");
  write_file(folder_ / "pred/a.npy", "\x93NUMPY and then nothing");
  EXPECT_THROW(score_instances(pairs(), 0.5), Error);
  EXPECT_THROW(pair_label_maps(folder_ / "absent", folder_ / "pred"), Error);
}

}  // namespace
}  // namespace eosin::eval
