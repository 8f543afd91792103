#include "core/base/error.h"
#include "eval/class_segmentation.h"
#include "eval/classification.h"
#include "eval/instance_segmentation.h"
#include "eval/nuclei_types.h"
#include "tests/golden/arrays.h"

namespace eosin::golden {
namespace {

using namespace eosin::eval;

/// A golden case holds numbers only: an absent value must be refused.
double defined(const std::optional<double>& v) {
  EOSIN_CHECK(v.has_value(), Numeric, "[golden] undefined");
  return *v;
}
Tensor defined(const std::vector<std::optional<double>>& v) {
  Reals r;
  for (const auto& x : v) r.push_back(defined(x));
  return tensor(r);
}

InstanceOverlap overlap(const Case& c) { return instance_overlap(ints(c, "in.target"), ints(c, "in.pred")); }

Results run_panoptic_quality(const Case& c) {
  const PanopticQuality q = panoptic_quality(overlap(c), c.config.value("match_iou", 0.5));
  Ints pairs;
  for (const auto& p : q.pairs) pairs.insert(pairs.end(), p.begin(), p.end());
  return {{"out.dq", scalar_f64(q.dq)},
          {"out.sq", scalar_f64(q.sq)},
          {"out.pq", scalar_f64(q.pq)},
          {"out.tp", scalar_i64(q.tp)},
          {"out.fp", scalar_i64(q.fp)},
          {"out.fn", scalar_i64(q.fn)},
          {"out.pair", tensor(pairs).reshape({q.tp, 2})}};
}

Results run_aji(const Case& c) {
  const InstanceScores s = instance_scores(overlap(c));
  return {
      {"out.aji", scalar_f64(s.aji)}, {"out.aji_plus", scalar_f64(s.aji_plus)}, {"out.dice", scalar_f64(s.dice)}, {"out.dice2", scalar_f64(s.dice2)}};
}

Results run_nuclei_types(const Case& c) {
  const Matrix target = matrix(c, "in.target_centroid"), pred = matrix(c, "in.pred_centroid");
  const Ints target_type = ints(c, "in.target_type"), target_image = ints(c, "in.target_image");
  const Ints pred_type = ints(c, "in.pred_type"), pred_image = ints(c, "in.pred_image");
  const NucleiTypeScores s = nuclei_type_scores({target, target_type, target_image}, {pred, pred_type, pred_image}, c.config.at("types").get<Ints>(),
                                                c.config.value("radius", 12.0));
  return {{"out.f1_detection", scalar_f64(s.f1_detection)},
          {"out.type_accuracy", scalar_f64(defined(s.type_accuracy))},
          {"out.f1_type", defined(s.f1_type)}};
}

Results run_dice(const Case& c) {
  const std::string average = word(c, "average", "micro");
  DiceOptions o;
  o.include_background = c.config.value("include_background", true);
  o.aggregation = word(c, "aggregation", "samplewise") == "global" ? DiceAggregation::Pooled : DiceAggregation::Samplewise;
  o.average = average == "none" ? DiceAverage::PerClass : average == "macro" ? DiceAverage::Macro : DiceAverage::Micro;
  const DiceScores d = dice(ints(c, "in.target"), ints(c, "in.pred"), c.at("in.target").size(0), num_classes(c), o);
  const Tensor v = defined(d.value);
  return {{"out.value", o.average == DiceAverage::PerClass ? v.reshape({d.rows, d.cols}) : v}};
}

Results run_segmentation_metrics(const Case& c) {
  const SegmentationMetrics s = segmentation_metrics(confusion(ints(c, "in.target"), ints(c, "in.pred"), num_classes(c)));
  return {{"out.iou", tensor(s.iou)},
          {"out.dice", tensor(s.dice)},
          {"out.present", tensor(s.present)},
          {"out.mean_iou", scalar_f64(s.mean_iou)},
          {"out.mean_dice", scalar_f64(s.mean_dice)},
          {"out.pixel_accuracy", scalar_f64(s.pixel_accuracy)},
          {"out.frequency_weighted_iou", scalar_f64(s.frequency_weighted_iou)}};
}

}  // namespace

std::vector<Row> eval_segmentation_rows() {
  return {
      {"eval.panoptic_quality", run_panoptic_quality},
      {"eval.aji", run_aji},
      {"eval.nuclei_type_f1", run_nuclei_types},
      {"eval.dice", run_dice},
      {"eval.segmentation_metrics", run_segmentation_metrics},
  };
}

}  // namespace eosin::golden
