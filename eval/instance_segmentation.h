#pragma once
// Measures of segmented nuclei, one image at a time: panoptic quality, aggregated Jaccard index, Dice.
#include "eval/instance_overlap.h"

#include <array>
#include <vector>

namespace eosin::eval {

struct PanopticQuality {
  double dq = 0, sq = 0, pq = 0;  // detection, segmentation, their product
  int64_t tp = 0, fp = 0, fn = 0;
  std::vector<std::array<int64_t, 2>> pairs;  // (target id, pred id), by target id
};
/// Instances match if IoU > match_iou: dq = tp / (tp + fp/2 + fn/2), sq = sum IoU / (tp + 1e-6), pq = dq sq (Kirillov et al. 2019). From 1/2 on such
/// pairs are unique; below, the one-to-one assignment of largest total IoU comes first (HoVer-Net).
///
/// Errors   Config if match_iou is outside [0, 1). Numeric if there is no instance on either side: leave such images out and count them.
/// Checked  golden eval.panoptic_quality.
PanopticQuality panoptic_quality(const InstanceOverlap& overlap, double match_iou = 0.5);

struct InstanceScores {
  double aji = 0;       // aggregated Jaccard index (Kumar et al. 2017): every target takes the pred of highest IoU, which others may take too
  double aji_plus = 0;  // the same with the one-to-one assignment of largest total IoU (Graham et al. 2019)
  double dice = 0;      // of the foregrounds
  double dice2 = 0;     // 2 sum of intersections / sum of both areas, over pairs that overlap; 0 without one
};
/// Errors   Numeric if there is no instance on either side.
/// Checked  golden eval.aji.
InstanceScores instance_scores(const InstanceOverlap& overlap);

}  // namespace eosin::eval
