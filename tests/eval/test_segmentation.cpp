#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/assignment.h"
#include "eval/class_segmentation.h"
#include "eval/classification.h"
#include "eval/instance_segmentation.h"
#include "eval/nuclei_types.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;

TEST(Assignment, EqualsTheBestPermutation) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RandomStream r(31, seed, 0, RandomOp::kSynthetic);
    Matrix cost(3, 5);
    for (double& c : cost.values) c = r.below(7) - 3.0;
    Ints columns(5);
    std::iota(columns.begin(), columns.end(), int64_t{0});
    double best = INFINITY;
    do best = std::min(best, cost(0, columns[0]) + cost(1, columns[1]) + cost(2, columns[2]));
    while (std::next_permutation(columns.begin(), columns.end()));
    const auto got = cheapest_assignment(cost);
    EXPECT_EQ(cost(0, got[0]) + cost(1, got[1]) + cost(2, got[2]), best);
    Matrix transposed(5, 3);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 5; ++j) transposed(j, i) = cost(i, j);
    const auto tall = cheapest_assignment(transposed);
    double sum = 0;
    for (int64_t j = 0; j < 5; ++j) sum += tall[j] < 0 ? 0 : transposed(j, tall[j]);
    EXPECT_EQ(sum, best);
    EXPECT_EQ(std::count(tall.begin(), tall.end(), -1), 2);
  }
}

TEST(Assignment, NothingToPair) {
  EXPECT_TRUE(cheapest_assignment(Matrix(0, 3)).empty());
  EXPECT_EQ(cheapest_assignment(Matrix(2, 0)), (Ints{-1, -1}));
}

TEST(InstanceOverlap, CountsPixels) {
  const InstanceOverlap o = instance_overlap(Ints{7, 7, 0, 3, 3, 3}, Ints{9, 0, 9, 2, 2, 9});
  EXPECT_EQ(o.target_id, (Ints{3, 7}));
  EXPECT_EQ(o.pred_id, (Ints{2, 9}));
  EXPECT_EQ(o.target_area, (std::vector<double>{3, 2}));
  EXPECT_EQ(o.pred_area, (std::vector<double>{2, 3}));
  ASSERT_EQ(o.pairs.size(), 3U);
  EXPECT_EQ(o.pairs[0].intersection, 2);
  EXPECT_EQ(o.pairs[1].intersection, 1);
  EXPECT_EQ(o.pairs[1].union_area, 5);
  EXPECT_EQ(o.foreground, 4);
}

TEST(PanopticQuality, APerfectImageAndRelabelledOnes) {
  const Ints target = {1, 1, 0, 2, 2, 2, 0, 3}, pred = {40, 40, 0, 5, 5, 5, 0, 8};
  const PanopticQuality q = panoptic_quality(instance_overlap(target, pred));
  EXPECT_EQ(q.dq, 1);
  EXPECT_NEAR(q.sq, 1, 1e-6);
  EXPECT_EQ(q.tp, 3);
  EXPECT_EQ(q.pairs[0], (std::array<int64_t, 2>{1, 40}));
  const InstanceScores s = instance_scores(instance_overlap(target, pred));
  EXPECT_EQ(s.aji, 1);
  EXPECT_EQ(s.aji_plus, 1);
  EXPECT_EQ(s.dice, 1);
  EXPECT_EQ(s.dice2, 1);
}

TEST(PanopticQuality, OneSideEmptyIsZeroAndBothAreUndefined) {
  const Ints none(5, 0), some = {0, 1, 1, 0, 2};
  const PanopticQuality q = panoptic_quality(instance_overlap(some, none));
  EXPECT_EQ(q.pq, 0);
  EXPECT_EQ(q.fn, 2);
  EXPECT_EQ(instance_scores(instance_overlap(none, some)).aji, 0);
  EXPECT_THROW(panoptic_quality(instance_overlap(none, none)), Error);
  EXPECT_THROW(instance_scores(instance_overlap(none, none)), Error);
  EXPECT_THROW(instance_overlap(some, Ints{1, 2}), Error);
  EXPECT_THROW(instance_overlap(some, Ints{0, -1, 0, 0, 0}), Error);
  EXPECT_THROW(instance_overlap(Ints{}, Ints{}), Error);
}

// Greedy by IoU takes (1, 1) and leaves 2 alone; the assignment of largest total pairs both.
TEST(PanopticQuality, BelowOneHalfTheTotalDecides) {
  Ints target, pred;
  const auto add = [&](int64_t t, int64_t p, int n) { target.insert(target.end(), n, t), pred.insert(pred.end(), n, p); };
  add(1, 1, 10), add(1, 2, 9), add(2, 1, 9), add(2, 0, 1), add(0, 2, 1);
  const PanopticQuality q = panoptic_quality(instance_overlap(target, pred), 0.2);
  EXPECT_EQ(q.tp, 2);
  EXPECT_EQ(q.pairs[0], (std::array<int64_t, 2>{1, 2}));
}

TEST(Dice, AbsentClassesAreAbsent) {
  const Ints target = {0, 0, 1, 1}, pred = {0, 1, 1, 1};
  DiceOptions o{.average = DiceAverage::PerClass};
  const DiceScores d = dice(target, pred, 1, 3, o);
  EXPECT_NEAR(*d.value[0], 2.0 / 3, 1e-15);
  EXPECT_NEAR(*d.value[1], 0.8, 1e-15);
  EXPECT_FALSE(d.value[2].has_value());
  o.average = DiceAverage::Macro;
  EXPECT_NEAR(*dice(target, pred, 1, 3, o).value[0], (2.0 / 3 + 0.8) / 2, 1e-15);
  EXPECT_EQ(dice(target, pred, 2, 3, o).rows, 2);
  EXPECT_THROW(dice(target, pred, 3, 3, o), Error);
  EXPECT_THROW(dice(target, Ints{0, 1, 1, 3}, 1, 3, o), Error);
}

TEST(SegmentationMetrics, OfAConfusionMatrix) {
  const SegmentationMetrics s = segmentation_metrics(confusion(Ints{0, 0, 1, 1}, Ints{0, 1, 1, 1}, 3));
  EXPECT_NEAR(s.iou[0], 0.5, 1e-15);
  EXPECT_NEAR(s.iou[1], 2.0 / 3, 1e-15);
  EXPECT_EQ(s.present, (std::vector<bool>{true, true, false}));
  EXPECT_NEAR(s.mean_iou, (0.5 + 2.0 / 3) / 2, 1e-15);
  EXPECT_EQ(s.pixel_accuracy, 0.75);
}

TEST(NucleiTypes, ByHand) {
  Matrix target(3, 2), pred(3, 2);
  target.values = {0, 0, 10, 0, 0, 0}, pred.values = {1, 0, 40, 0, 0, 2};
  const Ints type = {1, 2, 1}, pred_type = {1, 2, 2}, image = {0, 0, 1};
  const NucleiTypeScores s = nuclei_type_scores({target, type, image}, {pred, pred_type, image}, Ints{1, 2, 3}, 12);
  EXPECT_NEAR(s.f1_detection, 4.0 / 6, 1e-15);  // (0, 0) and the one of image 1; (10, 0) is too far
  EXPECT_NEAR(*s.type_accuracy, 0.5, 1e-15);
  EXPECT_NEAR(*s.f1_type[0], 2.0 / (2 + 2), 1e-15);  // one right, one called 2
  EXPECT_NEAR(*s.f1_type[1], 0.0, 1e-15);
  EXPECT_FALSE(s.f1_type[2].has_value());
  EXPECT_THROW(nuclei_type_scores({}, {}, Ints{1}), Error);
}

}  // namespace
}  // namespace eosin::eval
