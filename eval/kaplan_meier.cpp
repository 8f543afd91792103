#include "eval/kaplan_meier.h"

#include "core/base/error.h"
#include "eval/distributions.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {

SurvivalTable survival_table(FollowUp subjects, double confidence) {
  constexpr const char* kWhere = "eval.kaplan_meier";
  EOSIN_CHECK(confidence > 0 && confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, confidence);
  const RiskTable r = risk_table(kWhere, subjects);
  const double z = normal_quantile(0.5 + confidence / 2);
  SurvivalTable t{{0}, {r.at_risk.front()}, {0}, {0}, {1}, {1}, {1}};
  double survival = 1, variance = 0;
  for (size_t i = 0; i < r.time.size(); ++i) {
    const double n = r.at_risk[i], d = r.events[i];
    survival *= 1 - d / n;
    double low = survival, high = survival;
    if (n > d) variance += d / (n * (n - d));
    if (survival > 0 && survival < 1) {
      const double spread = z * std::sqrt(variance) / std::log(survival);
      low = std::pow(survival, std::exp(-spread)), high = std::pow(survival, std::exp(spread));
    }
    t.time.push_back(r.time[i]), t.at_risk.push_back(n), t.observed.push_back(d), t.censored.push_back(r.censored[i]);
    t.survival.push_back(survival), t.low.push_back(low), t.high.push_back(high);
  }
  return t;
}

std::optional<double> SurvivalTable::median() const {
  const auto half = std::find_if(survival.begin(), survival.end(), [](double s) { return s <= 0.5; });
  return half == survival.end() ? std::nullopt : std::optional(time[static_cast<size_t>(half - survival.begin())]);
}

double SurvivalTable::restricted_mean(double tau) const {
  double area = 0;
  for (size_t i = 0; i < time.size() && time[i] < tau; ++i)
    area += survival[i] * ((i + 1 < time.size() ? std::min(time[i + 1], tau) : tau) - time[i]);
  return area;
}

KaplanMeier kaplan_meier(FollowUp subjects, double confidence) {
  const SurvivalTable t = survival_table(subjects, confidence);
  KaplanMeier k;
  for (size_t i = 0; i < t.time.size(); ++i) {
    if (t.survival[i] <= 0 || t.survival[i] >= 1) continue;
    k.time.push_back(t.time[i]), k.survival.push_back(t.survival[i]), k.at_risk.push_back(t.at_risk[i]);
    k.low.push_back(t.low[i]), k.high.push_back(t.high[i]);
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
