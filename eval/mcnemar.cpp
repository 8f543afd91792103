#include "eval/mcnemar.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.mcnemar";

}  // namespace

PairedHits paired_hits(Labels target, Labels pred_a, Labels pred_b) {
  EOSIN_CHECK(!target.empty(), Data, "[{}] there is nothing to measure (got 0 samples, need at least 1)", kWhere);
  check_length(kWhere, "predictions a", pred_a.size(), target.size());
  check_length(kWhere, "predictions b", pred_b.size(), target.size());
  PairedHits h;
  for (size_t i = 0; i < target.size(); ++i) {
    const bool a = pred_a[i] == target[i], b = pred_b[i] == target[i];
    ++(a && b ? h.both : a ? h.only_a : b ? h.only_b : h.neither);
  }
  return h;
}

McNemarForm mcnemar_form(const PairedHits& h) { return h.only_a + h.only_b < 25 ? McNemarForm::Exact : McNemarForm::Corrected; }

TestResult mcnemar(const PairedHits& h, McNemarForm form) {
  const int64_t differing = h.only_a + h.only_b, fewer = std::min(h.only_a, h.only_b);
  if (form == McNemarForm::Exact) return {static_cast<double>(fewer), std::min(1.0, 2 * binomial_cdf(fewer, differing, 0.5))};
  EOSIN_CHECK(differing > 0, Numeric, "[{}] undefined: on no sample is one classifier alone right; use the exact form", kWhere);
  const double gap = static_cast<double>(std::abs(h.only_a - h.only_b)) - (form == McNemarForm::Corrected ? 1 : 0);
  const double statistic = gap * gap / static_cast<double>(differing);
  return {statistic, chi_square_sf(statistic, 1)};
}

}  // namespace eosin::eval
