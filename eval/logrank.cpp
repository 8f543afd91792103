#include "eval/logrank.h"

#include "core/base/error.h"
#include "eval/cholesky.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.logrank";

/// Observed minus expected events of every group but the last, and its covariance.
struct Scores {
  std::vector<double> z;
  Matrix v;
};

/// Adds one event time: d events, n at risk, by group.
void add_time(const std::vector<double>& d, const std::vector<double>& n, Scores& s) {
  const double events = std::accumulate(d.begin(), d.end(), 0.0), at_risk = std::accumulate(n.begin(), n.end(), 0.0);
  if (events == 0) return;
  const double spread = at_risk > 1 ? events * (at_risk - events) / (at_risk - 1) : 0;
  for (int64_t a = 0; a < s.v.rows; ++a) {
    const double share = n[a] / at_risk;
    s.z[a] += d[a] - events * share;
    for (int64_t b = 0; b < s.v.rows; ++b) s.v(a, b) += spread * share * ((a == b) - n[b] / at_risk);
  }
}

}  // namespace

LogRank logrank(FollowUp subjects, std::span<const int64_t> group) {
  check_follow_up(kWhere, subjects);
  check_length(kWhere, "groups", group.size(), subjects.time.size());
  std::map<int64_t, size_t> number;
  for (int64_t g : group) number.emplace(g, 0);
  EOSIN_CHECK(number.size() > 1, Data, "[{}] a single group cannot be compared (got group {} only)", kWhere, group[0]);
  size_t next = 0;
  for (auto& [id, n] : number) n = next++;

  std::vector<size_t> order(group.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return subjects.time[a] > subjects.time[b]; });
  const auto k = static_cast<int64_t>(number.size());
  Scores s{std::vector<double>(number.size() - 1), Matrix(k - 1, k - 1)};
  std::vector<double> at_risk(number.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::vector<double> events(number.size());
    for (; end < order.size() && subjects.time[order[end]] == subjects.time[order[begin]]; ++end) {
      const size_t g = number[group[order[end]]];
      at_risk[g] += 1;
      events[g] += static_cast<double>(subjects.event[order[end]]);
    }
    add_time(events, at_risk, s);
  }
  const auto factor = Cholesky::of(s.v);
  EOSIN_CHECK(factor.has_value(), Numeric, "[{}] undefined: no event at which every group can be compared with another (got {} groups)", kWhere, k);
  const auto solved = factor->solve(s.z);
  const double statistic = std::inner_product(s.z.begin(), s.z.end(), solved.begin(), 0.0);
  return {{statistic, chi_square_sf(statistic, static_cast<double>(k - 1))}, k - 1};
}

}  // namespace eosin::eval
