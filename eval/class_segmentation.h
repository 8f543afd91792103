#pragma once
// Measures of a class for every pixel.
#include "eval/input.h"

#include <optional>
#include <vector>

namespace eosin::eval {

struct SegmentationMetrics {
  std::vector<double> iou, dice;       // [C]; 0 for a class absent on both sides
  std::vector<bool> present;           // whether the class occurs on either side
  double mean_iou = 0, mean_dice = 0;  // over the classes present
  double pixel_accuracy = 0;
  double frequency_weighted_iou = 0;  // sum of the target's share times IoU
};
/// Of all pixels of all images, from their confusion matrix (eval/classification.h).
///
/// Errors   Data if the matrix is empty.
/// Checked  golden eval.segmentation_metrics.
SegmentationMetrics segmentation_metrics(const Matrix& confusion);

/// Samplewise  a row an image.   Pooled  intersections and sizes are summed over the images first: one row.
enum class DiceAggregation { Samplewise, Pooled };
/// PerClass  one value a class.   Micro  classes summed first.   Macro  mean of the classes that occur.
enum class DiceAverage { PerClass, Micro, Macro };
struct DiceOptions {
  bool include_background = true;  // class 0
  DiceAggregation aggregation = DiceAggregation::Samplewise;
  DiceAverage average = DiceAverage::Macro;
};
/// 2 |pred and target| / (|pred| + |target|), absent where nothing of the class (of any class) occurs on either side.
struct DiceScores {
  int64_t rows = 0, cols = 0;
  std::vector<std::optional<double>> value;  // [rows, cols]
};
/// Shapes   target, pred: classes of the pixels of `images` images of equal size, one after the other.
/// Errors   Data: no pixels, sizes differ or do not divide by the images, a class outside 0 ... num_classes-1.
/// Checked  golden eval.dice.
DiceScores dice(Labels target, Labels pred, int64_t images, int64_t num_classes, const DiceOptions& options = {});

}  // namespace eosin::eval
