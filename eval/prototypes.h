#pragma once
// Classification by class means: SimpleShot (Wang et al. 2019, arXiv:1911.04623) and its vote over a slide's tiles (UNI's MI-SimpleShot).
#include "core/tensor/tensor.h"
#include "eval/input.h"
#include "eval/rows.h"

#include <vector>

namespace eosin::eval {

struct PrototypeOptions {
  bool center = true;     // by the mean of the support
  bool normalize = true;  // rows to unit length, at least 1e-12
};

/// L2          mean squared distance of the nearest, smallest wins.
/// InnerProduct  mean inner product of the most similar, largest wins.
enum class BagSimilarity { L2, InnerProduct };
struct BagVote {
  std::vector<double> score;  // [C]
  int64_t pred = 0;
};

/// Mean of each class's transformed rows, not scaled again.
class Prototypes {
 public:
  /// Errors   as RowReader; Data if lengths differ, a label is outside the classes, or a class has no row (names it).
  /// Checked  golden eval.simpleshot.
  static Prototypes fit(const Tensor& x_ND, Labels target, int64_t num_classes, const PrototypeOptions& options = {});

  /// Euclidean distances [M, C] of the rows to the prototypes; the nearest class is the prediction.
  Matrix distances(const Tensor& x_MD) const;
  /// The bag's score for a class: mean over the `topk` rows that are most similar to its prototype.
  ///
  /// Errors   Data if the bag has fewer than topk rows.
  /// Checked  golden eval.protonet.
  BagVote vote(const Tensor& bag_MD, int64_t topk, BagSimilarity similarity) const;

  const RowTransform& transform() const { return transform_; }
  const Matrix& rows() const { return prototype_CD_; }

 private:
  RowTransform transform_;
  Matrix prototype_CD_;
};

/// Position of the smallest element of every row, the first among equals.
std::vector<int64_t> argmin_rows(MatrixView distances);

}  // namespace eosin::eval
