#include "eval/nuclei_types.h"

#include "core/base/error.h"
#include "eval/assignment.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.nuclei_type_f1";

/// Types of the nuclei, paired and not.
struct Pairing {
  std::vector<std::pair<int64_t, int64_t>> paired;  // (target, pred)
  std::vector<int64_t> missed, spurious;            // target without pred, pred without target
};

void check(const char* side, const TypedNuclei& n) {
  EOSIN_CHECK(n.centroid_N2.rows == 0 || n.centroid_N2.cols == 2, Data, "[{}] centroids of the {} need x and y (got {} columns)", kWhere, side,
              n.centroid_N2.cols);
  check_length(kWhere, "types", n.type.size(), static_cast<size_t>(n.centroid_N2.rows));
  check_length(kWhere, "images", n.image.size(), static_cast<size_t>(n.centroid_N2.rows));
  check_finite(kWhere, "centroid", n.centroid_N2.all());
}

using Rows = std::vector<int64_t>;

void pair_image(const TypedNuclei& target, const Rows& of_target, const TypedNuclei& pred, const Rows& of_pred, double radius, Pairing& p) {
  Matrix distance(static_cast<int64_t>(of_target.size()), static_cast<int64_t>(of_pred.size()));
  for (size_t i = 0; i < of_target.size(); ++i)
    for (size_t j = 0; j < of_pred.size(); ++j) {
      const auto a = target.centroid_N2.row(of_target[i]), b = pred.centroid_N2.row(of_pred[j]);
      distance(static_cast<int64_t>(i), static_cast<int64_t>(j)) = std::sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]));
    }
  const auto column = cheapest_assignment(distance);
  std::vector<bool> used(of_pred.size());
  for (size_t i = 0; i < of_target.size(); ++i) {
    const int64_t type = target.type[of_target[i]];
    if (column[i] < 0 || distance(static_cast<int64_t>(i), column[i]) > radius) {
      p.missed.push_back(type);
      continue;
    }
    used[column[i]] = true;
    p.paired.emplace_back(type, pred.type[of_pred[column[i]]]);
  }
  for (size_t j = 0; j < used.size(); ++j)
    if (!used[j]) p.spurious.push_back(pred.type[of_pred[j]]);
}

std::optional<double> f1_of_type(const Pairing& p, int64_t c) {
  double tp = 0, wrong = 0;
  for (const auto& [t, q] : p.paired) {
    tp += t == c && q == c;
    wrong += (t == c) != (q == c);
  }
  const auto unpaired = std::count(p.missed.begin(), p.missed.end(), c) + std::count(p.spurious.begin(), p.spurious.end(), c);
  const double below = 2 * tp + 2 * wrong + static_cast<double>(unpaired);
  if (below == 0) return std::nullopt;
  return 2 * tp / below;
}

}  // namespace

NucleiTypeScores nuclei_type_scores(const TypedNuclei& target, const TypedNuclei& pred, std::span<const int64_t> types, double radius) {
  check("target", target);
  check("prediction", pred);
  EOSIN_CHECK(radius >= 0, Config, "[{}] radius must not be negative (got {})", kWhere, radius);
  EOSIN_CHECK(!target.type.empty() || !pred.type.empty(), Data, "[{}] there is nothing to measure (got 0 nuclei on both sides)", kWhere);
  std::map<int64_t, std::pair<Rows, Rows>> images;
  for (size_t i = 0; i < target.image.size(); ++i) images[target.image[i]].first.push_back(static_cast<int64_t>(i));
  for (size_t j = 0; j < pred.image.size(); ++j) images[pred.image[j]].second.push_back(static_cast<int64_t>(j));
  Pairing p;
  for (const auto& [id, rows] : images) pair_image(target, rows.first, pred, rows.second, radius, p);
  const double tp = static_cast<double>(p.paired.size());
  NucleiTypeScores s;
  s.f1_detection = 2 * tp / (2 * tp + static_cast<double>(p.missed.size() + p.spurious.size()));
  if (!p.paired.empty())
    s.type_accuracy = static_cast<double>(std::count_if(p.paired.begin(), p.paired.end(), [](const auto& q) { return q.first == q.second; })) / tp;
  for (int64_t c : types) s.f1_type.push_back(f1_of_type(p, c));
  return s;
}

}  // namespace eosin::eval
