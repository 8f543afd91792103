#include "eval/threshold.h"

#include "eval/ranking.h"

namespace eosin::eval {

double youden_threshold(Labels target, std::span<const double> score) {
  const RocCurve roc = roc_curve(target, score, /*drop_intermediate=*/false);
  constexpr double kEqual = 1e-12;  // 2/3 - 0 and 1 - 1/3 are the same index
  size_t best = 1;                  // point 0 calls nobody positive and has no threshold
  for (size_t i = 2; i < roc.tpr.size(); ++i)
    if (roc.tpr[i] - roc.fpr[i] > roc.tpr[best] - roc.fpr[best] + kEqual) best = i;
  return roc.threshold[best - 1];
}

}  // namespace eosin::eval
