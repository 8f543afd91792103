#include "eval/class_segmentation.h"

#include "core/base/error.h"

#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kDice = "eval.dice";

/// Pixels of each class: on both sides, and the sum of the sides.
struct Sizes {
  Matrix both, sum;  // [images or 1, classes]
};

Sizes sizes_of(Labels target, Labels pred, int64_t images, int64_t num_classes, DiceAggregation aggregation) {
  const bool pooled = aggregation == DiceAggregation::Pooled;
  Sizes s{Matrix(pooled ? 1 : images, num_classes), Matrix(pooled ? 1 : images, num_classes)};
  const auto pixels = static_cast<int64_t>(target.size()) / images;
  for (int64_t i = 0; i < images * pixels; ++i) {
    const int64_t row = pooled ? 0 : i / pixels;
    s.sum(row, target[i]) += 1;
    s.sum(row, pred[i]) += 1;
    if (target[i] == pred[i]) s.both(row, target[i]) += 1;
  }
  return s;
}

std::optional<double> ratio(double both, double sum) { return sum > 0 ? std::optional(2 * both / sum) : std::nullopt; }

/// One row of the result.
std::vector<std::optional<double>> averaged(std::span<const double> both, std::span<const double> sum, DiceAverage average) {
  std::vector<std::optional<double>> of_class;
  for (size_t c = 0; c < both.size(); ++c) of_class.push_back(ratio(both[c], sum[c]));
  if (average == DiceAverage::PerClass) return of_class;
  if (average == DiceAverage::Micro) return {ratio(std::accumulate(both.begin(), both.end(), 0.0), std::accumulate(sum.begin(), sum.end(), 0.0))};
  double total = 0, present = 0;
  for (const auto& d : of_class)
    if (d) total += *d, ++present;
  return {present > 0 ? std::optional(total / present) : std::nullopt};
}

}  // namespace

SegmentationMetrics segmentation_metrics(const Matrix& m) {
  SegmentationMetrics s;
  double pixels = 0, hits = 0, classes = 0;
  for (double v : m.values) pixels += v;
  EOSIN_CHECK(pixels > 0, Data, "[eval.segmentation_metrics] there is nothing to measure (got 0 pixels, need at least 1)");
  for (int64_t c = 0; c < m.rows; ++c) {
    double target = 0, pred = 0;
    for (int64_t o = 0; o < m.cols; ++o) target += m(c, o), pred += m(o, c);
    const double both = m(c, c), either = target + pred - both;
    hits += both;
    s.present.push_back(either > 0);
    s.iou.push_back(either > 0 ? both / either : 0);
    s.dice.push_back(either > 0 ? 2 * both / (target + pred) : 0);
    s.frequency_weighted_iou += target / pixels * s.iou.back();
    s.mean_iou += s.iou.back(), s.mean_dice += s.dice.back(), classes += either > 0;
  }
  s.mean_iou /= classes, s.mean_dice /= classes;
  s.pixel_accuracy = hits / pixels;
  return s;
}

DiceScores dice(Labels target, Labels pred, int64_t images, int64_t num_classes, const DiceOptions& o) {
  check_labels(kDice, target, num_classes);
  check_length(kDice, "predicted pixels", pred.size(), target.size());
  check_labels(kDice, pred, num_classes);
  EOSIN_CHECK(images > 0 && target.size() % static_cast<size_t>(images) == 0, Data, "[{}] {} pixels are not {} images of equal size", kDice,
              target.size(), images);
  EOSIN_CHECK(o.include_background || num_classes > 1, Config, "[{}] without the background there is no class", kDice);
  const Sizes s = sizes_of(target, pred, images, num_classes, o.aggregation);
  const size_t first = o.include_background ? 0 : 1;
  DiceScores d;
  d.rows = s.both.rows;
  for (int64_t row = 0; row < s.both.rows; ++row) {
    const auto of_row = averaged(s.both.row(row).subspan(first), s.sum.row(row).subspan(first), o.average);
    d.cols = static_cast<int64_t>(of_row.size());
    d.value.insert(d.value.end(), of_row.begin(), of_row.end());
  }
  return d;
}

}  // namespace eosin::eval
