#include "eval/instance_overlap.h"

#include "core/base/error.h"
#include "eval/assignment.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.segmentation";

/// Pixels that follow each other with the same two ids.
struct Run {
  int64_t target, pred;
  double pixels;
};

std::vector<Run> runs_of(std::span<const int64_t> target, std::span<const int64_t> pred) {
  std::vector<Run> runs;
  for (size_t begin = 0, end = 0; begin < target.size(); begin = end) {
    while (end < target.size() && target[end] == target[begin] && pred[end] == pred[begin]) ++end;
    if (target[begin] != 0 || pred[begin] != 0) runs.push_back({target[begin], pred[begin], static_cast<double>(end - begin)});
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.target != b.target ? a.target < b.target : a.pred < b.pred; });
  return runs;
}

void check_ids(const char* side, std::span<const int64_t> ids) {
  const auto negative = std::find_if(ids.begin(), ids.end(), [](int64_t id) { return id < 0; });
  EOSIN_CHECK(negative == ids.end(), Data, "[{}] {} has a negative instance id (pixel {}: got {})", kWhere, side, negative - ids.begin(), *negative);
}

/// Root of an instance's group; halves the path on its way.
size_t root(std::vector<size_t>& parent, size_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

}  // namespace

InstanceOverlap instance_overlap(std::span<const int64_t> target, std::span<const int64_t> pred) {
  EOSIN_CHECK(!target.empty(), Data, "[{}] there is nothing to measure (got 0 pixels, need at least 1)", kWhere);
  check_length(kWhere, "predicted pixels", pred.size(), target.size());
  check_ids("the target", target);
  check_ids("the prediction", pred);
  const std::vector<Run> runs = runs_of(target, pred);
  std::map<int64_t, size_t> pred_position;
  for (const Run& r : runs)
    if (r.pred != 0) pred_position.emplace(r.pred, 0);
  InstanceOverlap o;
  for (auto& [id, position] : pred_position) position = o.pred_id.size(), o.pred_id.push_back(id);
  o.pred_area.resize(o.pred_id.size());
  for (size_t begin = 0, end = 0; begin < runs.size(); begin = end) {
    double pixels = 0;
    for (; end < runs.size() && runs[end].target == runs[begin].target && runs[end].pred == runs[begin].pred; ++end) pixels += runs[end].pixels;
    const auto [t, p, first] = runs[begin];
    if (p != 0) o.pred_area[pred_position[p]] += pixels;
    if (t == 0) continue;
    if (o.target_id.empty() || o.target_id.back() != t) o.target_id.push_back(t), o.target_area.push_back(0);
    o.target_area.back() += pixels;
    if (p == 0) continue;
    o.pairs.push_back({o.target_id.size() - 1, pred_position[p], pixels, 0});
    o.foreground += pixels;
  }
  for (auto& pair : o.pairs) pair.union_area = o.target_area[pair.target] + o.pred_area[pair.pred] - pair.intersection;
  return o;
}

std::vector<size_t> InstanceOverlap::best_assignment() const {
  std::vector<size_t> parent(target_id.size() + pred_id.size());
  std::iota(parent.begin(), parent.end(), size_t{0});
  for (const Pair& p : pairs) parent[root(parent, p.target)] = root(parent, target_id.size() + p.pred);
  std::map<size_t, std::vector<size_t>> groups;  // root -> pairs
  for (size_t i = 0; i < pairs.size(); ++i) groups[root(parent, pairs[i].target)].push_back(i);
  std::vector<size_t> chosen;
  for (const auto& [id, members] : groups) {
    std::map<size_t, int64_t> row, column;
    for (size_t i : members) {
      row.emplace(pairs[i].target, static_cast<int64_t>(row.size()));
      column.emplace(pairs[i].pred, static_cast<int64_t>(column.size()));
    }
    Matrix cost(static_cast<int64_t>(row.size()), static_cast<int64_t>(column.size()));
    for (size_t i : members) cost(row[pairs[i].target], column[pairs[i].pred]) = -pairs[i].iou();
    const auto assigned = cheapest_assignment(cost);
    for (size_t i : members)
      if (assigned[row[pairs[i].target]] == column[pairs[i].pred]) chosen.push_back(i);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace eosin::eval
