#include "eval/wilcoxon.h"

#include "core/base/error.h"
#include "eval/input.h"
#include "eval/ranks.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.wilcoxon";

struct SignedRanks {
  double plus = 0, minus = 0;
  double count = 0, zeros = 0;  // ranked differences, and the zeros among them
  double ties = 0;              // sum of t^3 - t, with Pratt without the run of zeros
};

SignedRanks signed_ranks(std::vector<double> d, ZeroDifferences zeros) {
  if (zeros == ZeroDifferences::Drop) std::erase(d, 0.0);
  EOSIN_CHECK(!d.empty(), Data, "[{}] too few samples: every difference is 0", kWhere);
  std::vector<double> size;
  for (double v : d) size.push_back(std::abs(v));
  const Ranks ranks = average_ranks(size);
  SignedRanks r;
  r.count = static_cast<double>(d.size()), r.ties = ranks.ties;
  double of_zeros = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    (d[i] > 0 ? r.plus : d[i] < 0 ? r.minus : of_zeros) += ranks.rank[i];
    r.zeros += d[i] == 0;
  }
  if (zeros == ZeroDifferences::Split) r.plus += of_zeros / 2, r.minus += of_zeros / 2;
  if (zeros == ZeroDifferences::Pratt) r.ties -= r.zeros * r.zeros * r.zeros - r.zeros;
  return r;
}

/// P(R+ <= r) and P(R+ >= r) when each of the ranks 1 ... n has either sign with probability 1/2.
struct Tails {
  double below, above;
};
Tails exact_tails(int64_t n, int64_t r) {
  std::vector<double> chance(static_cast<size_t>(n * (n + 1) / 2 + 1));
  chance[0] = 1;
  for (int64_t rank = 1, most = 0; rank <= n; ++rank) {
    most += rank;
    for (int64_t s = most; s >= 0; --s) chance[s] = 0.5 * (chance[s] + (s >= rank ? chance[s - rank] : 0));
  }
  Tails t{0, 0};
  for (int64_t s = 0; s < static_cast<int64_t>(chance.size()); ++s) {
    if (s <= r) t.below += chance[s];
    if (s >= r) t.above += chance[s];
  }
  return t;
}

double exact_p(const SignedRanks& r, Alternative alternative) {
  EOSIN_CHECK(r.ties == 0 && r.zeros == 0, Data, "[{}] the exact distribution needs differences that are neither tied nor 0; use the normal one",
              kWhere);
  const Tails t = exact_tails(static_cast<int64_t>(r.count), static_cast<int64_t>(r.plus));
  if (alternative == Alternative::Greater) return std::min(t.above, 1.0);
  if (alternative == Alternative::Less) return std::min(t.below, 1.0);
  return std::min(1.0, 2 * std::min(t.below, t.above));
}

double normal_p(const SignedRanks& r, const WilcoxonOptions& o) {
  const double n = r.count, z0 = o.zeros == ZeroDifferences::Pratt ? r.zeros : 0;
  const double mean = (n * (n + 1) - z0 * (z0 + 1)) / 4;
  const double variance = (n * (n + 1) * (2 * n + 1) - z0 * (z0 + 1) * (2 * z0 + 1) - 0.5 * r.ties) / 24;
  EOSIN_CHECK(variance > 0, Numeric, "[{}] undefined: the signed ranks have no variance (every difference is 0)", kWhere);
  const double away = r.plus - mean;
  const double step = o.alternative == Alternative::Greater ? 0.5
                      : o.alternative == Alternative::Less  ? -0.5
                                                            : std::copysign(away == 0 ? 0 : 0.5, away);
  const double z = (away - (o.correction ? step : 0)) / std::sqrt(variance);
  if (o.alternative == Alternative::Greater) return normal_cdf(-z);
  if (o.alternative == Alternative::Less) return normal_cdf(z);
  return 2 * normal_cdf(-std::abs(z));
}

}  // namespace

TestResult wilcoxon(std::span<const double> a, std::span<const double> b, const WilcoxonOptions& options) {
  EOSIN_CHECK(!a.empty(), Data, "[{}] there is nothing to measure (got 0 pairs, need at least 1)", kWhere);
  check_length(kWhere, "values b", b.size(), a.size());
  check_finite(kWhere, "value a", a);
  check_finite(kWhere, "value b", b);
  std::vector<double> d(a.size());
  std::transform(a.begin(), a.end(), b.begin(), d.begin(), std::minus<>());
  const SignedRanks r = signed_ranks(std::move(d), options.zeros);
  const double statistic = options.alternative == Alternative::TwoSided ? std::min(r.plus, r.minus) : r.plus;
  return {statistic, options.exact ? exact_p(r, options.alternative) : normal_p(r, options)};
}

}  // namespace eosin::eval
