#include "eval/delong.h"

#include "core/base/error.h"
#include "eval/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.delong";

/// For one score: the share of the other class that each sample beats (placements), positives then negatives.
struct Placements {
  std::vector<double> positive, negative;
};

Placements placements(Labels target, std::span<const double> score) {
  std::vector<double> side[2];
  for (size_t i = 0; i < target.size(); ++i) side[target[i]].push_back(score[i]);
  const Ranks all = average_ranks(score), within[2] = {average_ranks(side[0]), average_ranks(side[1])};
  const double n = static_cast<double>(side[0].size()), m = static_cast<double>(side[1].size());
  Placements p;
  size_t next[2] = {0, 0};
  for (size_t i = 0; i < target.size(); ++i) {
    const double beaten = all.rank[i] - within[target[i]].rank[next[target[i]]++];
    if (target[i] == 1)
      p.positive.push_back(beaten / n);
    else
      p.negative.push_back(1 - beaten / m);
  }
  return p;
}

double mean(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size()); }

double covariance(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean(a), mean_b = mean(b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / static_cast<double>(a.size() - 1);
}

}  // namespace

DeLong delong(Labels target, MatrixView score_KN, double confidence) {
  EOSIN_CHECK(confidence > 0 && confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, confidence);
  check_labels(kWhere, target, 2);
  EOSIN_CHECK(score_KN.rows > 0, Data, "[{}] there is no score", kWhere);
  check_length(kWhere, "scores", static_cast<size_t>(score_KN.cols), target.size());
  check_finite(kWhere, "score", score_KN.all());
  const auto positives = std::count(target.begin(), target.end(), 1), negatives = static_cast<int64_t>(target.size()) - positives;
  EOSIN_CHECK(positives > 1 && negatives > 1, Data, "[{}] a variance needs two samples of each class (got {} positives, {} negatives)", kWhere,
              positives, negatives);
  const int64_t k = score_KN.rows;
  std::vector<Placements> of;
  for (int64_t a = 0; a < k; ++a) of.push_back(placements(target, score_KN.row(a)));
  DeLong r{{}, Matrix(k, k), {}, {}};
  for (int64_t a = 0; a < k; ++a)
    for (int64_t b = 0; b <= a; ++b)
      r.covariance(a, b) = r.covariance(b, a) = covariance(of[a].positive, of[b].positive) / static_cast<double>(positives) +
                                                covariance(of[a].negative, of[b].negative) / static_cast<double>(negatives);
  const double z = normal_quantile(0.5 + confidence / 2);
  for (int64_t a = 0; a < k; ++a) {
    r.auroc.push_back(mean(of[a].positive));
    const double half = z * std::sqrt(r.covariance(a, a));
    r.low.push_back(std::clamp(r.auroc[a] - half, 0.0, 1.0));
    r.high.push_back(std::clamp(r.auroc[a] + half, 0.0, 1.0));
  }
  return r;
}

TestResult delong_test(const DeLong& areas, int64_t a, int64_t b) {
  const Matrix& v = areas.covariance;
  const double difference = std::abs(areas.auroc[a] - areas.auroc[b]);
  const double variance = std::max(v(a, a) + v(b, b) - 2 * v(a, b), 0.0);
  if (difference == 0) return {0, 1};
  EOSIN_CHECK(variance > 0, Numeric, "[{}] undefined: areas {} and {} differ and their difference has no variance", kWhere, areas.auroc[a],
              areas.auroc[b]);
  const double z = difference / std::sqrt(variance);
  return {z, 2 * normal_cdf(-z)};
}

}  // namespace eosin::eval
