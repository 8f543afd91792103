#include "eval/segmentation_scores.h"

#include "core/base/error.h"
#include "eval/classification.h"
#include "eval/instance_segmentation.h"

#include <fmt/format.h>

namespace eosin::eval {
namespace {

struct Maps {
  LabelMap target, pred;
};
Maps read_pair(const MapPair& pair) {
  Maps m{read_label_map(pair.target), read_label_map(pair.pred)};
  EOSIN_CHECK(m.target.height == m.pred.height && m.target.width == m.pred.width, Data,
              "[segmentation] '{}' differs in size from its prediction (got {} x {}, need {} x {})", pair.id, m.pred.width, m.pred.height,
              m.target.width, m.target.height);
  return m;
}

}  // namespace

SegmentationScores score_instances(const std::vector<MapPair>& maps, double match_iou) {
  SegmentationScores s;
  enum { kPq, kDq, kSq, kPooled, kAji, kAjiPlus, kDice };
  for (const char* name : {"pq", "dq", "sq", "pq_pooled", "aji", "aji_plus", "dice"}) s.measures.push_back({name, {}, {}});
  for (const MapPair& pair : maps) {
    const Maps m = read_pair(pair);
    const InstanceOverlap overlap = instance_overlap(m.target.labels, m.pred.labels);
    if (overlap.target_id.empty() && overlap.pred_id.empty()) {
      s.empty.push_back(pair.id);
      continue;
    }
    const PanopticQuality q = panoptic_quality(overlap, match_iou);
    const InstanceScores i = instance_scores(overlap);
    s.ids.push_back(pair.id);
    const std::pair<int, double> values[] = {{kPq, q.pq}, {kDq, q.dq}, {kSq, q.sq}, {kAji, i.aji}, {kAjiPlus, i.aji_plus}, {kDice, i.dice}};
    for (const auto& [measure, value] : values) s.measures[static_cast<size_t>(measure)].value.push_back(value);
    s.measures[kPooled].value.push_back(q.sq * (static_cast<double>(q.tp) + 1e-6));  // the sum of the IoU
    s.measures[kPooled].per.push_back(static_cast<double>(q.tp) + 0.5 * static_cast<double>(q.fp + q.fn));
  }
  EOSIN_CHECK(!s.ids.empty(), Data, "[segmentation] none of {} pictures has an instance on either side", maps.size());
  return s;
}

SegmentationScores score_classes(const std::vector<MapPair>& maps, int64_t num_classes) {
  SegmentationScores s;
  for (int64_t c = 0; c < num_classes; ++c) s.measures.push_back({fmt::format("iou_{}", c), {}, {}});
  for (int64_t c = 0; c < num_classes; ++c) s.measures.push_back({fmt::format("dice_{}", c), {}, {}});
  s.measures.push_back({"pixel_accuracy", {}, {}});
  for (const MapPair& pair : maps) {
    const Maps m = read_pair(pair);
    for (const LabelMap* map : {&m.target, &m.pred})
      for (const int64_t label : map->labels)
        EOSIN_CHECK(label < num_classes, Data, "[segmentation] '{}' holds label {} (need 0 ... {}); set num_classes", pair.id, label,
                    num_classes - 1);
    const Matrix table = confusion(m.target.labels, m.pred.labels, num_classes);
    s.ids.push_back(pair.id);
    double right = 0;
    for (int64_t c = 0; c < num_classes; ++c) {
      double target = 0, pred = 0;
      for (int64_t k = 0; k < num_classes; ++k) target += table(c, k), pred += table(k, c);
      RowMeasure &iou = s.measures[static_cast<size_t>(c)], &dice = s.measures[static_cast<size_t>(num_classes + c)];
      iou.value.push_back(table(c, c)), iou.per.push_back(target + pred - table(c, c));
      dice.value.push_back(2 * table(c, c)), dice.per.push_back(target + pred);
      right += table(c, c);
    }
    s.measures.back().value.push_back(right);
    s.measures.back().per.push_back(static_cast<double>(m.target.labels.size()));
  }
  return s;
}

}  // namespace eosin::eval
