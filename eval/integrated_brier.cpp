#include "eval/integrated_brier.h"

#include "core/base/error.h"
#include "eval/kaplan_meier.h"

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.ibs";

double share(double square, double g) { return g > 0 ? square / g : 0; }

}  // namespace

IntegratedBrier integrated_brier(FollowUp s, MatrixView survival, FollowUp train, std::span<const double> times) {
  check_follow_up(kWhere, s);
  check_ascending(kWhere, times);
  EOSIN_CHECK(times.size() > 1, Data, "[{}] too few times to integrate over (got {}, need 2)", kWhere, times.size());
  check_scores(kWhere, survival, s.time.size(), static_cast<int64_t>(times.size()));
  const Censoring censoring(kWhere, train);
  IntegratedBrier r;
  for (size_t t = 0; t < times.size(); ++t) {
    double sum = 0;
    for (size_t i = 0; i < s.time.size(); ++i) {
      const double p = survival(static_cast<int64_t>(i), static_cast<int64_t>(t));
      EOSIN_CHECK(p >= 0 && p <= 1, Data, "[{}] survival of subject {} at time {} is outside [0, 1] (got {})", kWhere, i, times[t], p);
      if (s.time[i] > times[t])
        sum += share((1 - p) * (1 - p), censoring.survival(times[t], i));
      else if (s.event[i])
        sum += share(p * p, censoring.survival(s.time[i], i));
    }
    r.brier.push_back(sum / static_cast<double>(s.time.size()));
    if (t > 0) r.value += (times[t] - times[t - 1]) * (r.brier[t] + r.brier[t - 1]) / 2;
  }
  r.value /= times.back() - times.front();
  return r;
}

}  // namespace eosin::eval
