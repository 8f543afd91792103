#include "eval/time_dependent_auc.h"

#include "core/base/error.h"
#include "eval/kaplan_meier.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.time_dependent_auc";
constexpr double kTied = 1e-8;

std::vector<size_t> descending(MatrixView risk, int64_t column) {
  std::vector<size_t> order(static_cast<size_t>(risk.rows));
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return risk(static_cast<int64_t>(a), column) > risk(static_cast<int64_t>(b), column); });
  return order;
}

/// Area of the weighted ROC curve at t, walked from the highest risk down.
double area_at(double t, FollowUp s, MatrixView risk, int64_t column, const std::vector<size_t>& order, const Censoring& censoring) {
  double area = 0, cases = 0, controls = 0;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double tied_cases = 0, tied_controls = 0;
    do {
      const size_t who = order[end];
      if (s.time[who] > t)
        tied_controls += 1;
      else if (s.event[who])
        tied_cases += censoring.weight(s.time[who], who);
      ++end;
    } while (end < order.size() && risk(static_cast<int64_t>(order[end - 1]), column) - risk(static_cast<int64_t>(order[end]), column) <= kTied);
    area += tied_controls * (cases + 0.5 * tied_cases);
    cases += tied_cases, controls += tied_controls;
  }
  EOSIN_CHECK(cases > 0 && controls > 0, Data, "[{}] undefined at time {}: nobody {}", kWhere, t,
              cases > 0 ? "is followed for longer" : "has an event by then");
  return area / (cases * controls);
}

}  // namespace

TimeDependentAuc time_dependent_auc(FollowUp s, MatrixView risk, FollowUp train, std::span<const double> times) {
  check_follow_up(kWhere, s);
  check_ascending(kWhere, times);
  EOSIN_CHECK(risk.cols == 1 || risk.cols == static_cast<int64_t>(times.size()), Data, "[{}] risks need one column, or one a time (got {}, need {})",
              kWhere, risk.cols, times.size());
  check_scores(kWhere, risk, s.time.size(), risk.cols);
  const Censoring censoring(kWhere, train);
  const StepCurve survival = survival_curve(kWhere, s);
  TimeDependentAuc r;
  std::vector<size_t> order = descending(risk, 0);
  double before = 1;
  for (size_t t = 0; t < times.size(); ++t) {
    const int64_t column = risk.cols == 1 ? 0 : static_cast<int64_t>(t);
    if (column > 0) order = descending(risk, column);
    r.auroc.push_back(area_at(times[t], s, risk, column, order, censoring));
    const double now = survival.at(times[t]);
    r.mean += r.auroc.back() * (before - now);
    before = now;
  }
  r.mean /= 1 - before;
  return r;
}

}  // namespace eosin::eval
