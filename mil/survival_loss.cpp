#include "mil/survival_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace eosin::mil {
namespace {

Tensor at_bin(const Tensor& values_BK, const Tensor& bin_B) { return values_BK.gather(1, bin_B.unsqueeze(1)).squeeze(1); }

/// Hazard in the bin, survival before it and after it.
struct InBin {
  Tensor hazard_B, before_B, after_B, censored_B;
};
InBin look_up(const Tensor& logits_BK, const Tensor& bin_B, const Tensor& censored_B) {
  const int64_t n = logits_BK.dim() == 2 ? logits_BK.size(0) : -1;
  EOSIN_CHECK(bin_B.dim() == 1 && bin_B.size(0) == n && censored_B.sizes() == bin_B.sizes(), Shape,
              "[survival] {} bins and {} censorings for logits [{}] (need [B], [B], [B, K])", bin_B.numel(), censored_B.numel(),
              fmt::join(logits_BK.sizes().vec(), ", "));
  EOSIN_CHECK(n == 0 || (bin_B.min().item<int64_t>() >= 0 && bin_B.max().item<int64_t>() < logits_BK.size(1)), Data,
              "[survival] a bin lies outside 0 to {}", logits_BK.size(1) - 1);
  const DiscreteHazards d = discrete_hazards(logits_BK);
  const Tensor with_start = at::cat({at::ones({n, 1}, d.survival_BK.options()), d.survival_BK}, 1);
  return {at_bin(d.hazards_BK, bin_B), at_bin(with_start, bin_B), at_bin(with_start, bin_B + 1), censored_B.to(d.hazards_BK.scalar_type())};
}

/// Patients of one stratum from the longest time to the shortest: who is at risk comes before.
struct Descending {
  std::vector<int64_t> order;     // patients
  std::vector<int64_t> last;      // of every place, the last place with the same time
  std::vector<int64_t> event_at;  // places of events
  std::vector<int64_t> group_of;  // of every event, the number of its time
  std::vector<double> share;      // of every event, r / d among those of its time
  int64_t n_groups = 0;
};

Descending descend(std::vector<int64_t> patients, const double* time, const bool* event) {
  std::stable_sort(patients.begin(), patients.end(), [&](int64_t a, int64_t b) { return time[a] > time[b]; });
  Descending d;
  d.order = std::move(patients);
  const size_t n = d.order.size();
  d.last.resize(n);
  for (size_t begin = 0; begin < n;) {
    size_t end = begin;
    int64_t deaths = 0;
    for (; end < n && time[d.order[end]] == time[d.order[begin]]; ++end) deaths += event[d.order[end]];
    int64_t rank = 0;
    for (size_t i = begin; i < end; ++i) {
      d.last[i] = static_cast<int64_t>(end) - 1;
      if (!event[d.order[i]]) continue;
      d.event_at.push_back(static_cast<int64_t>(i)), d.group_of.push_back(d.n_groups);
      d.share.push_back(static_cast<double>(rank++) / static_cast<double>(deaths));
    }
    d.n_groups += deaths > 0;
    begin = end;
  }
  return d;
}

/// log of the sums of exp over the events of each time, for every event.
Tensor log_sums_of_ties(const Tensor& eta_E, const Tensor& group_E, int64_t n_groups) {
  const Tensor largest_G = at::full({n_groups}, -INFINITY, eta_E.options()).scatter_reduce(0, group_E, eta_E.detach(), "amax");
  const Tensor shift_E = largest_G.index_select(0, group_E);
  const Tensor sums_G = at::zeros({n_groups}, eta_E.options()).index_add(0, group_E, (eta_E - shift_E).exp());
  return sums_G.index_select(0, group_E).log() + shift_E;
}

Tensor indices(const std::vector<int64_t>& values, const Tensor& like) { return at::tensor(values, at::kLong).to(like.device()); }

Tensor stratum_loss(const Tensor& eta_N, const Descending& d, bool efron) {
  const Tensor eta = eta_N.index_select(0, indices(d.order, eta_N)), places_E = indices(d.event_at, eta_N);
  const Tensor of_events_E = eta.index_select(0, places_E);
  const Tensor at_risk = eta.logcumsumexp(0).index_select(0, indices(d.last, eta_N));
  Tensor log_risk_E = at_risk.index_select(0, places_E);
  if (efron) {
    const Tensor ties_E = log_sums_of_ties(of_events_E, indices(d.group_of, eta_N), d.n_groups);
    const Tensor share_E = at::tensor(d.share, at::kDouble).to(eta_N.device());
    log_risk_E = log_risk_E + at::log1p(-share_E * (ties_E - log_risk_E).exp());
  }
  return (log_risk_E - of_events_E).sum();
}

/// At position q (n - 1) of the sorted values, linear between neighbours.
double quantile(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(position);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (position - static_cast<double>(low));
}

}  // namespace

DiscreteHazards discrete_hazards(const Tensor& logits_BK) {
  const Tensor hazards_BK = at_least_float(logits_BK).sigmoid();
  const Tensor survival_BK = (1 - hazards_BK).cumprod(1);
  return {hazards_BK, survival_BK, -survival_BK.sum(1)};
}

Tensor nll_discrete(const Tensor& logits_BK, const Tensor& bin_B, const Tensor& censored_B, const DiscreteLoss& loss) {
  const InBin in = look_up(logits_BK, bin_B, censored_B);
  const auto log = [&](const Tensor& p) { return p.clamp_min(loss.eps).log(); };
  const Tensor uncensored_B = -(1 - in.censored_B) * (log(in.before_B) + log(in.hazard_B));
  return (1 - loss.alpha) * (uncensored_B - in.censored_B * log(in.after_B)) + loss.alpha * uncensored_B;
}

Tensor ce_discrete(const Tensor& logits_BK, const Tensor& bin_B, const Tensor& censored_B, const DiscreteLoss& loss) {
  const InBin in = look_up(logits_BK, bin_B, censored_B);
  const Tensor seen_B = 1 - in.censored_B, after_B = in.after_B.clamp_min(loss.eps);
  const Tensor reg_B = -seen_B * ((in.before_B + loss.eps).log() + in.hazard_B.clamp_min(loss.eps).log());
  const Tensor ce_B = -in.censored_B * after_B.log() - seen_B * (1 - after_B).log();
  return (1 - loss.alpha) * ce_B + loss.alpha * reg_B;
}

Tensor cox_loss(const Tensor& log_hazard_N, const Tensor& event_N, const Tensor& time_N, const Tensor& strata_N, const CoxOptions& options) {
  const int64_t n = log_hazard_N.numel();
  EOSIN_CHECK(log_hazard_N.dim() == 1 && event_N.numel() == n && time_N.numel() == n && (!strata_N.defined() || strata_N.numel() == n), Shape,
              "[cox] {} log hazards, {} events, {} times (need as many of each)", n, event_N.numel(), time_N.numel());
  EOSIN_CHECK(options.ties == "efron" || options.ties == "breslow", Config, "[cox] unknown ties '{}' (need efron or breslow)", options.ties);
  EOSIN_CHECK(options.reduction == "mean" || options.reduction == "sum", Config, "[cox] unknown reduction '{}' (need mean or sum)",
              options.reduction);
  const FullPrecision full_precision;
  const Tensor time = time_N.cpu().to(at::kDouble).contiguous(), event = event_N.cpu().to(at::kBool).contiguous();
  EOSIN_CHECK(time.isfinite().all().item<bool>(), Data, "[cox] a time is not finite");
  const Tensor stratum = strata_N.defined() ? strata_N.cpu().to(at::kLong).contiguous() : at::zeros({n}, at::kLong);
  std::map<int64_t, std::vector<int64_t>> strata;
  for (int64_t i = 0; i < n; ++i) strata[stratum.const_data_ptr<int64_t>()[i]].push_back(i);
  const Tensor eta_N = log_hazard_N.to(at::kDouble);
  Tensor total = (eta_N * 0).sum();
  int64_t events = 0;
  for (auto& [key, patients] : strata) {
    const Descending d = descend(std::move(patients), time.const_data_ptr<double>(), event.const_data_ptr<bool>());
    if (d.event_at.empty()) continue;
    total = total + stratum_loss(eta_N, d, options.ties == "efron");
    events += static_cast<int64_t>(d.event_at.size());
  }
  if (options.reduction == "mean" && events > 0) total = total / static_cast<double>(events);
  return total.to(at_least_float(log_hazard_N).scalar_type());
}

int64_t TimeBins::bin_of(double time) const {
  const auto after = std::upper_bound(edges.begin(), edges.end(), time) - edges.begin();  // first edge beyond the time
  return std::clamp<int64_t>(after - 1, 0, static_cast<int64_t>(edges.size()) - 2);
}

TimeBins cut_time_bins(const std::vector<double>& times, const std::vector<bool>& censored, int64_t n_bins, double eps) {
  EOSIN_CHECK(times.size() == censored.size() && n_bins >= 1, Shape, "[survival] {} times, {} censorings, {} bins", times.size(), censored.size(),
              n_bins);
  std::vector<double> seen;
  for (size_t i = 0; i < times.size(); ++i) {
    EOSIN_CHECK(std::isfinite(times[i]), Data, "[survival] time {} is {}", i, times[i]);
    if (!censored[i]) seen.push_back(times[i]);
  }
  const std::set<double> distinct(seen.begin(), seen.end());
  EOSIN_CHECK(static_cast<int64_t>(distinct.size()) >= n_bins, Data, "[survival] {} distinct uncensored times for {} bins; need at least as many",
              distinct.size(), n_bins);
  std::sort(seen.begin(), seen.end());
  TimeBins bins;
  for (int64_t k = 0; k <= n_bins; ++k) bins.edges.push_back(quantile(seen, static_cast<double>(k) / static_cast<double>(n_bins)));
  const auto [low, high] = std::minmax_element(times.begin(), times.end());
  bins.edges.front() = *low - eps, bins.edges.back() = *high + eps;
  return bins;
}

}  // namespace eosin::mil
