#include "eval/stain_protocol.h"

#include "core/base/error.h"
#include "eval/ranking.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {

StainAmplitude stain_amplitude(Labels target, MatrixView score_KN, const Resampler& resampler, double confidence) {
  EOSIN_CHECK(score_KN.rows > 0, Data, "[eval.stain_amplitude] there is no staining condition");
  check_length("eval.stain_amplitude", "scores", static_cast<size_t>(score_KN.cols), target.size());
  StainAmplitude r;
  std::vector<Statistic> areas;
  for (int64_t k = 0; k < score_KN.rows; ++k) {
    areas.push_back(auroc_statistic(target, score_KN.row(k)));
    r.auroc.push_back(*areas.back()({}));
  }
  r.interval = bootstrap_interval(spread(areas), static_cast<int64_t>(target.size()), {}, resampler, {IntervalMethod::Percentile, confidence});
  const auto& draws = r.interval.replicates;
  r.mean = std::accumulate(draws.begin(), draws.end(), 0.0) / static_cast<double>(draws.size());
  return r;
}

}  // namespace eosin::eval
