#include "eval/instance_segmentation.h"

#include "core/base/error.h"

#include <numeric>
#include <optional>

namespace eosin::eval {
namespace {

double sum_of(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

void check_not_empty(const char* where, const InstanceOverlap& o) {
  EOSIN_CHECK(!o.target_id.empty() || !o.pred_id.empty(), Numeric, "[{}] undefined: no instance in target or prediction; leave the image out", where);
}

/// Sum of intersections over sum of unions of the pairs, areas of instances in no pair added below.
double aggregated_jaccard(const InstanceOverlap& o, const std::vector<size_t>& pairs) {
  std::vector<bool> target_used(o.target_id.size()), pred_used(o.pred_id.size());
  double intersection = 0, total = 0;
  for (size_t i : pairs) {
    const auto& p = o.pairs[i];
    intersection += p.intersection, total += p.union_area;
    target_used[p.target] = pred_used[p.pred] = true;
  }
  for (size_t t = 0; t < target_used.size(); ++t) total += target_used[t] ? 0 : o.target_area[t];
  for (size_t p = 0; p < pred_used.size(); ++p) total += pred_used[p] ? 0 : o.pred_area[p];
  return intersection / total;
}

/// For every target that overlaps something, the pair of highest IoU, the lowest pred id among equals.
std::vector<size_t> best_of_each_target(const InstanceOverlap& o) {
  std::vector<std::optional<size_t>> best(o.target_id.size());
  const auto iou = [&](size_t i) { return o.pairs[i].intersection / (o.pairs[i].union_area + 1e-6); };
  for (size_t i = 0; i < o.pairs.size(); ++i) {
    auto& b = best[o.pairs[i].target];
    if (!b || iou(i) > iou(*b)) b = i;
  }
  std::vector<size_t> pairs;
  for (const auto& b : best)
    if (b) pairs.push_back(*b);
  return pairs;
}

}  // namespace

PanopticQuality panoptic_quality(const InstanceOverlap& o, double match_iou) {
  constexpr const char* kWhere = "eval.panoptic_quality";
  EOSIN_CHECK(match_iou >= 0 && match_iou < 1, Config, "[{}] match_iou is outside [0, 1) (got {})", kWhere, match_iou);
  check_not_empty(kWhere, o);
  std::vector<size_t> candidates(o.pairs.size());
  std::iota(candidates.begin(), candidates.end(), size_t{0});
  if (match_iou < 0.5) candidates = o.best_assignment();
  PanopticQuality q;
  double iou = 0;
  for (size_t i : candidates) {
    const auto& p = o.pairs[i];
    if (!(p.iou() > match_iou)) continue;
    iou += p.iou();
    q.pairs.push_back({o.target_id[p.target], o.pred_id[p.pred]});
  }
  q.tp = static_cast<int64_t>(q.pairs.size());
  q.fp = static_cast<int64_t>(o.pred_id.size()) - q.tp, q.fn = static_cast<int64_t>(o.target_id.size()) - q.tp;
  const double tp = static_cast<double>(q.tp);
  q.dq = tp / (tp + 0.5 * static_cast<double>(q.fp + q.fn));
  q.sq = iou / (tp + 1e-6);
  q.pq = q.dq * q.sq;
  return q;
}

InstanceScores instance_scores(const InstanceOverlap& o) {
  check_not_empty("eval.aji", o);
  InstanceScores s;
  s.aji = aggregated_jaccard(o, best_of_each_target(o));
  s.aji_plus = aggregated_jaccard(o, o.best_assignment());
  s.dice = 2 * o.foreground / (sum_of(o.target_area) + sum_of(o.pred_area));
  double areas = 0;
  for (const auto& p : o.pairs) areas += o.target_area[p.target] + o.pred_area[p.pred];
  s.dice2 = areas > 0 ? 2 * o.foreground / areas : 0;
  return s;
}

}  // namespace eosin::eval
