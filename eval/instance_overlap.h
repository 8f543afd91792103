#pragma once
// Which instances of two segmentations share pixels: one pass over the pixels, whatever the number of instances.
#include "eval/input.h"

#include <vector>

namespace eosin::eval {

/// Instances by ascending id, background (0) left out.
struct InstanceOverlap {
  std::vector<int64_t> target_id, pred_id;
  std::vector<double> target_area, pred_area;  // pixels
  struct Pair {
    size_t target, pred;  // positions in the ids
    double intersection, union_area;
    double iou() const { return intersection / union_area; }
  };
  std::vector<Pair> pairs;  // those that share a pixel, by target, then by pred
  double foreground = 0;    // pixels that are no background on both sides

  /// Positions in `pairs` of the one-to-one assignment of largest total IoU, ascending. Instances that overlap nothing in common never compete,
  /// so each connected group is solved by itself.
  std::vector<size_t> best_assignment() const;
};

/// Shapes   target, pred: ids of the pixels of one image, any positive numbers.
/// Errors   Data: no pixels, sizes differ, a negative id.
/// Checked  tests/eval/test_segmentation.cpp.
InstanceOverlap instance_overlap(std::span<const int64_t> target, std::span<const int64_t> pred);

}  // namespace eosin::eval
