#include "eval/kaplan_meier.h"

#include "core/base/error.h"
#include "eval/distributions.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {

KaplanMeier kaplan_meier(FollowUp subjects, double confidence) {
  constexpr const char* kWhere = "eval.kaplan_meier";
  EOSIN_CHECK(confidence > 0 && confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, confidence);
  const RiskTable r = risk_table(kWhere, subjects);
  const double z = normal_quantile(0.5 + confidence / 2);
  KaplanMeier k;
  double survival = 1, variance = 0;
  for (size_t i = 0; i < r.time.size(); ++i) {
    const double n = r.at_risk[i], d = r.events[i];
    if (n == d) break;  // nobody is left: S is 0 from here on
    survival *= 1 - d / n;
    variance += d / (n * (n - d));
    if (survival == 1) continue;
    const double spread = z * std::sqrt(variance) / std::log(survival);
    k.time.push_back(r.time[i]), k.survival.push_back(survival), k.at_risk.push_back(n);
    k.low.push_back(std::pow(survival, std::exp(-spread))), k.high.push_back(std::pow(survival, std::exp(spread)));
  }
  return k;
}

double StepCurve::at(double t) const {
  const auto next = std::upper_bound(time.begin(), time.end(), t);
  return next == time.begin() ? 1 : value[static_cast<size_t>(next - time.begin()) - 1];
}

StepCurve survival_curve(std::string_view where, FollowUp subjects) {
  const RiskTable r = risk_table(where, subjects);
  StepCurve s{r.time, {}};
  double value = 1;
  for (size_t i = 0; i < r.time.size(); ++i) s.value.push_back(value *= 1 - r.events[i] / r.at_risk[i]);
  return s;
}

Censoring::Censoring(std::string_view where, FollowUp train) : where_(where) {
  const RiskTable r = risk_table(where, train);
  curve_.time = r.time;
  double value = 1;
  for (size_t i = 0; i < r.time.size(); ++i) {
    if (r.censored[i] > 0) value *= 1 - r.censored[i] / (r.at_risk[i] - r.events[i]);
    curve_.value.push_back(value);
  }
}

double Censoring::survival(double time, size_t subject) const {
  const double last = curve_.time.back(), end = curve_.value.back();
  EOSIN_CHECK(time <= last || end == 0 || end == 1, Data,
              "[{}] time {} of subject {} is beyond the training follow-up, where censoring is unknown (got {}, last {}); use tau <= {}", where_,
              time, subject, time, last, last);
  return curve_.at(time);
}

double Censoring::weight(double time, size_t subject) const {
  const double g = survival(time, subject);
  if (g > 0) return 1 / g;
  const auto end = static_cast<size_t>(std::find(curve_.value.begin(), curve_.value.end(), 0.0) - curve_.value.begin());
  fail(ErrorKind::Data, "[{}] at time {} of subject {} everybody of the training set is censored, so it has no weight; use tau <= {}", where_, time,
       subject, curve_.time[end]);
}

}  // namespace eosin::eval
