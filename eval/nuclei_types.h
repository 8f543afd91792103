#pragma once
// Measures of detected and typed nuclei (HoVer-Net, Graham et al. 2019).
#include "eval/input.h"

#include <optional>
#include <vector>

namespace eosin::eval {

/// Centroids (x, y) of the nuclei of all images, their types, and the image of each.
struct TypedNuclei {
  MatrixView centroid_N2;
  std::span<const int64_t> type, image;
};

struct NucleiTypeScores {
  double f1_detection = 0;                     // 2 tp / (2 tp + fp + fn)
  std::optional<double> type_accuracy;         // over pairs; absent without pairs
  std::vector<std::optional<double>> f1_type;  // one a type asked for; absent where it occurs on neither side
};
/// In each image nuclei are paired one to one with the least total distance over all, and pairs within `radius` are kept. Per type c, over pairs of
/// which a side is c: 2 TP / (2 TP + 2 FP + 2 FN + unpaired pred of c + unpaired target of c).
///
/// Errors   Data: lengths differ, a centroid that is not finite, no nucleus on either side. Config if radius is negative.
/// Checked  golden eval.nuclei_type_f1.
NucleiTypeScores nuclei_type_scores(const TypedNuclei& target, const TypedNuclei& pred, std::span<const int64_t> types, double radius = 12);

}  // namespace eosin::eval
