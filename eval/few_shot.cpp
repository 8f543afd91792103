#include "eval/few_shot.h"

#include "core/base/error.h"
#include "core/base/rng.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.few_shot";

void check_permutation(const char* what, std::span<const int64_t> order, int64_t n) {
  std::vector<bool> seen(static_cast<size_t>(n));
  bool valid = static_cast<int64_t>(order.size()) == n;
  for (size_t i = 0; valid && i < order.size(); ++i) {
    valid = order[i] >= 0 && order[i] < n && !seen[order[i]];
    if (valid) seen[order[i]] = true;
  }
  EOSIN_CHECK(valid, Data, "[{}] {} is no permutation of 0 ... {} (got {} elements)", kWhere, what, n - 1, order.size());
}

}  // namespace

Episode few_shot_episode(Labels target, std::span<const int64_t> class_order, std::span<const int64_t> permutation, int64_t n_way, int64_t n_shot,
                         int64_t n_query) {
  const auto classes = static_cast<int64_t>(class_order.size());
  check_labels(kWhere, target, std::max<int64_t>(classes, 1));
  check_permutation("class_order", class_order, classes);
  check_permutation("permutation", permutation, static_cast<int64_t>(target.size()));
  EOSIN_CHECK(n_way >= 1 && n_way <= classes && n_shot >= 1 && n_query >= -1, Config, "[{}] cannot draw {} of {} classes, {} shots and {} queries",
              kWhere, n_way, classes, n_shot, n_query);
  std::vector<std::vector<int64_t>> rows(class_order.size());
  for (int64_t i : permutation) rows[target[i]].push_back(i);
  Episode e;
  for (int64_t way = 0; way < n_way; ++way) {
    const auto& of_class = rows[class_order[way]];
    const auto have = static_cast<int64_t>(of_class.size()), need = n_shot + std::max<int64_t>(n_query, 0);
    EOSIN_CHECK(have >= need, Data, "[{}] too few samples of class {} (got {}, need {})", kWhere, class_order[way], have, need);
    const auto first_query = of_class.begin() + n_shot;
    e.support.insert(e.support.end(), of_class.begin(), first_query);
    e.query.insert(e.query.end(), first_query, n_query < 0 ? of_class.end() : first_query + n_query);
  }
  return e;
}

std::vector<int64_t> drawn_permutation(int64_t n, uint64_t seed, uint64_t position) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  RandomStream draws(seed, position, 0, RandomOp::kSubset);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[draws.below(static_cast<uint32_t>(i + 1))]);
  return order;
}

}  // namespace eosin::eval
