#include "core/base/error.h"
#include "eval/calibration.h"
#include "eval/classification.h"
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

/// The kind of the error that `f` throws.
template <class F>
std::string kind_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return name(e.kind());
  }
  return "none";
}

TEST(Accuracy, CountsHitsByWeight) {
  EXPECT_DOUBLE_EQ(accuracy(Ints{0, 1, 2, 1}, Ints{0, 1, 1, 0}, 3), 0.5);
  EXPECT_DOUBLE_EQ(accuracy(Ints{0, 1, 2, 1}, Ints{0, 1, 1, 0}, 3, Reals{3, 1, 2, 2}), 0.5);
  EXPECT_DOUBLE_EQ(accuracy(Ints{0, 1}, Ints{0, 0}, 2, Reals{3, 1}), 0.75);
}

TEST(Accuracy, TopKBreaksTiesByClass) {
  const Reals score = {0.5, 0.5, 0.1, 0.2, 0.3, 0.3};
  const MatrixView view{score.data(), 2, 3};
  EXPECT_DOUBLE_EQ(top_k_accuracy(Ints{0, 2}, view, 1), 0.5);
  EXPECT_DOUBLE_EQ(top_k_accuracy(Ints{1, 2}, view, 1), 0.0);
  EXPECT_DOUBLE_EQ(top_k_accuracy(Ints{1, 2}, view, 2), 1.0);
}

TEST(Accuracy, RefusesBadInput) {
  EXPECT_EQ(kind_of([] { accuracy(Ints{}, Ints{}, 3); }), "data");
  EXPECT_EQ(kind_of([] { accuracy(Ints{0, 1}, Ints{0}, 3); }), "data");
  EXPECT_EQ(kind_of([] { accuracy(Ints{0, 3}, Ints{0, 1}, 3); }), "data");
  EXPECT_EQ(kind_of([] { accuracy(Ints{0, 1}, Ints{0, -1}, 3); }), "data");
  EXPECT_EQ(kind_of([] { accuracy(Ints{0, 1}, Ints{0, 1}, 3, Reals{1, std::nan("")}); }), "data");
  EXPECT_EQ(kind_of([] { accuracy(Ints{0, 1}, Ints{0, 1}, 3, Reals{0, 0}); }), "data");
  const Reals score = {0.5, std::numeric_limits<double>::infinity()};
  EXPECT_EQ(kind_of([&] { top_k_accuracy(Ints{0}, {score.data(), 1, 2}, 1); }), "data");
  EXPECT_EQ(kind_of([&] { top_k_accuracy(Ints{0}, {score.data(), 1, 2}, 3); }), "data");
}

TEST(Confusion, NormalisesWithZeroForEmptyRows) {
  const Matrix m = confusion(Ints{0, 0, 2}, Ints{0, 1, 1}, 3);
  EXPECT_EQ(m.values, (Reals{1, 1, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(normalize(m, Normalize::True).values, (Reals{0.5, 0.5, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(normalize(m, Normalize::Pred).values, (Reals{1, 0.5, 0, 0, 0, 0, 0, 0.5, 0}));
  EXPECT_DOUBLE_EQ(normalize(m, Normalize::All)(2, 1), 1.0 / 3);
}

TEST(BalancedAccuracy, LeavesAbsentClassesOut) {
  const Matrix m = confusion(Ints{0, 0, 1, 1}, Ints{0, 2, 1, 1}, 3);
  EXPECT_DOUBLE_EQ(balanced_accuracy(m), 0.75);
  EXPECT_DOUBLE_EQ(balanced_accuracy(m, true), 0.5);
  EXPECT_EQ(kind_of([] { balanced_accuracy(confusion(Ints{1}, Ints{1}, 2), true); }), "numeric");
}

TEST(F1, MacroIsTheMeanOfTheF1s) {
  const Matrix m = confusion(Ints{0, 0, 0, 1}, Ints{0, 0, 1, 1}, 3);
  const double f0 = 0.8, f1 = 2.0 / 3;
  EXPECT_NEAR(precision_recall_f1(m, {.average = Average::Macro}).f1[0], (f0 + f1) / 3, 1e-15);
  EXPECT_NEAR(precision_recall_f1(m, {.average = Average::Macro, .present_only = true}).f1[0], (f0 + f1) / 2, 1e-15);
  EXPECT_NEAR(precision_recall_f1(m, {.average = Average::Macro, .zero_division = 1}).f1[0], (f0 + f1 + 1) / 3, 1e-15);
  EXPECT_NEAR(precision_recall_f1(m, {.average = Average::Weighted}).f1[0], (3 * f0 + f1) / 4, 1e-15);
  EXPECT_DOUBLE_EQ(precision_recall_f1(m, {.average = Average::Micro}).f1[0], 0.75);
  EXPECT_EQ(precision_recall_f1(m, {.average = Average::None, .present_only = true}).f1.size(), 2U);
  EXPECT_EQ(kind_of([&] { precision_recall_f1(m, {.average = Average::Binary, .pos_label = 3}); }), "config");
}

TEST(Kappa, TranspositionChangesNothingAndOneClassIsUndefined) {
  const Ints a = {0, 1, 2, 2, 1}, b = {0, 2, 2, 1, 1};
  for (auto w : {KappaWeights::None, KappaWeights::Linear, KappaWeights::Quadratic})
    EXPECT_DOUBLE_EQ(*cohen_kappa(confusion(a, b, 3), w), *cohen_kappa(confusion(b, a, 3), w));
  EXPECT_FALSE(cohen_kappa(confusion(Ints{1, 1}, Ints{1, 1}, 3)).has_value());
}

TEST(Calibration, ClosedForms) {
  const Reals p = {0.25, 0.75};
  EXPECT_NEAR(log_loss(Ints{1}, {p.data(), 1, 2}), -std::log(0.75), 1e-15);
  EXPECT_DOUBLE_EQ(brier(Ints{1}, {p.data(), 1, 2}), 0.0625);
  EXPECT_DOUBLE_EQ(brier_binary(Ints{1}, Reals{0.75}), 0.0625);
  const Reals sure = {0, 1, 1, 0};
  const auto e = calibration_error(Ints{1, 1}, {sure.data(), 2, 2}, 10);
  EXPECT_DOUBLE_EQ(e.value, 0.5);
  EXPECT_DOUBLE_EQ(e.fraction.back(), 1.0);
}

TEST(Metrics, TableIsCompleteAndUnchangedByOrderOfRows) {
  auto p = std::make_shared<Predictions>();
  p->num_classes = 3;
  p->target = {0, 1, 2, 0, 1, 2, 0};
  p->pred = {0, 1, 1, 0, 2, 2, 1};
  p->prob_NC = Matrix(7, 3);
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t c = 0; c < 3; ++c) p->prob_NC(i, c) = c == p->pred[i] ? 0.5 + 0.01 * static_cast<double>(i) : 0.25 - 0.005 * static_cast<double>(i);
  auto q = std::make_shared<Predictions>(*p);
  for (int64_t i = 0; i < 7; ++i) {
    const int64_t from = 3 * i % 7;
    q->target[i] = p->target[from], q->pred[i] = p->pred[from];
    for (int64_t c = 0; c < 3; ++c) q->prob_NC(i, c) = p->prob_NC(from, c);
  }
  auto risks = std::make_shared<Predictions>(), risks_moved = std::make_shared<Predictions>();
  risks->num_classes = risks_moved->num_classes = 2;
  for (int64_t i = 0; i < 7; ++i) {
    for (const auto& [to, from] : {std::pair(risks, i), {risks_moved, 3 * i % 7}}) {
      to->target.push_back(from % 3 != 0);
      to->time.push_back(static_cast<double>(1 + 4 * from % 7));
      to->risk.push_back(static_cast<double>(2 * from % 5));
    }
  }
  auto numbers = std::make_shared<Predictions>(), numbers_moved = std::make_shared<Predictions>();
  for (const auto& [to, step] : {std::pair(numbers, 1), {numbers_moved, 3}}) {
    to->number_NT = to->estimate_NT = Matrix(7, 2);
    for (int64_t i = 0; i < 7; ++i)
      for (int64_t t = 0; t < 2; ++t) {
        const auto from = static_cast<double>(step * i % 7);
        to->number_NT(i, t) = from * from, to->estimate_NT(i, t) = from + static_cast<double>(t) * std::sin(from);
      }
  }
  for (const MetricRow& row : metrics()) {
    const auto& [given, moved] = row.needs == "risks"     ? std::pair(risks, risks_moved)
                                 : row.needs == "numbers" ? std::pair(numbers, numbers_moved)
                                                          : std::pair(p, q);
    EXPECT_FALSE(row.one_line.empty());
    EXPECT_NEAR(row.make(given)({}).value(), row.make(moved)({}).value(), 1e-15) << row.name;
    const Reals twice(7, 2.0);
    EXPECT_NEAR(row.make(given)({}).value(), row.make(given)(twice).value(), 1e-15) << row.name;
  }
  EXPECT_EQ(kind_of([] { metric("acuracy"); }), "config");
}

}  // namespace
}  // namespace eosin::eval
