#include "eval/split.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.patient_split";

double population_deviation(const std::vector<double>& v) {
  const double n = static_cast<double>(v.size());
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  double square = 0;
  for (double x : v) square += (x - mean) * (x - mean);
  return std::sqrt(square / n);
}

/// Class counts of every fold while groups are dealt out.
class Balance {
 public:
  Balance(int64_t folds, std::vector<double> totals)
      : count_(folds, static_cast<int64_t>(totals.size())), size_(static_cast<size_t>(folds)), totals_(std::move(totals)) {}

  int64_t deal(const std::vector<double>& group) {
    int64_t best = 0;
    double best_error = INFINITY;
    for (int64_t f = 0; f < count_.rows; ++f) {
      const double error = error_with(group, f);
      const bool close = std::isfinite(best_error) && std::abs(error - best_error) <= 1e-8 + 1e-5 * std::abs(best_error);
      if (error < best_error || (close && size_[f] < size_[best])) best = f, best_error = error;
    }
    for (int64_t c = 0; c < count_.cols; ++c) count_(best, c) += group[c], size_[best] += group[c];
    return best;
  }

 private:
  double error_with(const std::vector<double>& group, int64_t fold) const {
    double sum = 0, occurring = 0;
    std::vector<double> share(static_cast<size_t>(count_.rows));
    for (int64_t c = 0; c < count_.cols; ++c) {
      if (totals_[c] == 0) continue;
      ++occurring;
      for (int64_t f = 0; f < count_.rows; ++f) share[f] = (count_(f, c) + (f == fold ? group[c] : 0)) / totals_[c];
      sum += population_deviation(share);
    }
    return sum / occurring;
  }

  Matrix count_;
  std::vector<double> size_, totals_;
};

}  // namespace

Folds group_folds(Labels target, std::span<const int64_t> group, int64_t num_classes, int64_t folds, std::span<const int64_t> group_order) {
  EOSIN_CHECK(folds >= 2, Config, "[{}] need at least 2 folds (got {})", kWhere, folds);
  check_labels(kWhere, target, num_classes);
  check_length(kWhere, "groups", group.size(), target.size());
  std::map<int64_t, std::vector<double>> counts;  // of each group, by class
  std::vector<double> totals(static_cast<size_t>(num_classes));
  for (size_t i = 0; i < target.size(); ++i) {
    counts.try_emplace(group[i], totals.size(), 0.0).first->second[target[i]] += 1;
    totals[target[i]] += 1;
  }
  EOSIN_CHECK(static_cast<int64_t>(counts.size()) >= folds, Data, "[{}] too few groups for the folds (got {} groups, need {}); ask for fewer folds",
              kWhere, counts.size(), folds);
  EOSIN_CHECK(*std::max_element(totals.begin(), totals.end()) >= static_cast<double>(folds), Data,
              "[{}] too few samples: every class has fewer than {} of them; ask for fewer folds", kWhere, folds);

  std::vector<int64_t> order(group_order.begin(), group_order.end());
  if (order.empty())
    for (const auto& [id, count] : counts) order.push_back(id);
  std::erase_if(order, [&](int64_t id) { return !counts.contains(id); });
  EOSIN_CHECK(std::set<int64_t>(order.begin(), order.end()).size() == counts.size() && order.size() == counts.size(), Data,
              "[{}] group_order must name every group once", kWhere);
  std::map<int64_t, double> spread;
  for (auto [id, count] : counts) {
    size_t c = 0;
    std::erase_if(count, [&](double) { return totals[c++] == 0; });
    spread[id] = population_deviation(count);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return spread[a] > spread[b]; });

  Balance balance(folds, totals);
  std::map<int64_t, int64_t> fold_of;
  for (int64_t id : order) fold_of[id] = balance.deal(counts[id]);
  Folds r{{}, Matrix(folds, num_classes)};
  for (size_t i = 0; i < group.size(); ++i) {
    r.fold.push_back(fold_of[group[i]]);
    r.count(r.fold.back(), target[i]) += 1;
  }
  return r;
}

std::array<std::vector<int64_t>, 3> group_overlap(std::span<const int64_t> group, std::span<const int64_t> part) {
  constexpr const char* kLeak = "eval.leak_check";
  check_length(kLeak, "parts", part.size(), group.size());
  if (!part.empty()) check_labels(kLeak, part, 3);
  std::array<std::set<int64_t>, 3> groups;
  for (size_t i = 0; i < group.size(); ++i) groups[part[i]].insert(group[i]);
  const auto both = [&](int a, int b) {
    std::vector<int64_t> common;
    std::set_intersection(groups[a].begin(), groups[a].end(), groups[b].begin(), groups[b].end(), std::back_inserter(common));
    return common;
  };
  return {both(0, 1), both(0, 2), both(1, 2)};
}

}  // namespace eosin::eval
