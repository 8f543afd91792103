#include "core/base/error.h"
#include "eval/bootstrap.h"
#include "eval/calibration.h"
#include "eval/classification.h"
#include "eval/knn.h"
#include "eval/linear_probe.h"
#include "eval/ranking.h"
#include "eval/representation.h"
#include "eval/split.h"
#include "tests/golden/arrays.h"

namespace eosin::golden {
namespace {

using namespace eosin::eval;
Matrix confusion_of(const Case& c) { return confusion(ints(c, "in.target"), ints(c, "in.pred"), num_classes(c), reals(c, "in.weight")); }

Average average(const Case& c, const char* absent) {
  const std::string w = word(c, "average", absent);
  return w == "none"       ? Average::None
         : w == "weighted" ? Average::Weighted
         : w == "micro"    ? Average::Micro
         : w == "binary"   ? Average::Binary
                           : Average::Macro;
}

// ------------------------------------------------------------------------------------------- classification
Results run_accuracy(const Case& c) {
  const int64_t k = c.config.value("top_k", int64_t{1});
  if (c.has("in.score")) return value(top_k_accuracy(ints(c, "in.target"), matrix(c, "in.score"), k, reals(c, "in.weight")));
  return value(accuracy(ints(c, "in.target"), ints(c, "in.pred"), num_classes(c), reals(c, "in.weight")));
}

Results run_confusion(const Case& c) {
  const std::string how = word(c, "normalize", "none");
  const Normalize n = how == "true" ? Normalize::True : how == "pred" ? Normalize::Pred : how == "all" ? Normalize::All : Normalize::None;
  const Tensor m = tensor(normalize(confusion_of(c), n));
  return {{"out.matrix", n == Normalize::None && !c.has("in.weight") ? m.to(at::kLong) : m}};
}

Results run_f1(const Case& c) {
  F1Options o;
  o.average = average(c, "macro");
  o.present_only = word(c, "labels", "all") == "present";
  o.pos_label = c.config.value("pos_label", int64_t{1});
  o.zero_division = c.config.value("zero_division", 0.0);
  const PrecisionRecallF1 r = precision_recall_f1(confusion_of(c), o);
  return {{"out.precision", tensor(r.precision)}, {"out.recall", tensor(r.recall)}, {"out.f1", tensor(r.f1)}};
}

Results run_kappa(const Case& c) {
  const std::string w = word(c, "weights", "none");
  const auto k = cohen_kappa(confusion_of(c), w == "linear" ? KappaWeights::Linear : w == "quadratic" ? KappaWeights::Quadratic : KappaWeights::None);
  EOSIN_CHECK(k.has_value(), Numeric, "[eval.cohen_kappa] undefined: the expected disagreement is 0");
  return value(*k);
}

// ------------------------------------------------------------------------------------------- ranking
Results run_auroc(const Case& c) {
  const std::string mode = word(c, "mode", "binary");
  const Ints target = ints(c, "in.target");
  const Reals weight = reals(c, "in.weight");
  if (mode == "ovo") return value(auroc_ovo(target, matrix(c, "in.score"), average(c, "macro"), weight));
  if (mode == "ovr") {
    const OneVsRest r = auroc_ovr(target, matrix(c, "in.score"), average(c, "macro"), weight);
    return {{"out.value", scalar_f64(r.value)}, {"out.per_class", tensor(r.per_class)}};
  }
  const bool partial = c.config.contains("max_fpr") && !c.config["max_fpr"].is_null();
  if (partial) return value(partial_auroc(target, reals(c, "in.score"), c.config["max_fpr"].get<double>(), weight));
  return value(auroc(target, reals(c, "in.score"), weight));
}

Results run_roc_curve(const Case& c) {
  const RocCurve r = roc_curve(ints(c, "in.target"), reals(c, "in.score"), c.config.value("drop_intermediate", true), reals(c, "in.weight"));
  return {{"out.fpr", tensor(r.fpr)}, {"out.tpr", tensor(r.tpr)}, {"out.threshold", tensor(r.threshold)}};
}

Results run_pr_curve(const Case& c) {
  const PrecisionRecallCurve r = pr_curve(ints(c, "in.target"), reals(c, "in.score"), reals(c, "in.weight"));
  return {{"out.precision", tensor(r.precision)}, {"out.recall", tensor(r.recall)}, {"out.threshold", tensor(r.threshold)}};
}

Results run_average_precision(const Case& c) {
  const Average a = average(c, "binary");
  if (a == Average::Binary) return value(average_precision(ints(c, "in.target"), reals(c, "in.score"), reals(c, "in.weight")));
  return value(average_precision_multiclass(ints(c, "in.target"), matrix(c, "in.score"), a, reals(c, "in.weight")));
}

Results run_sensitivity(const Case& c) {
  const OperatingPoint p = sensitivity_at_specificity(ints(c, "in.target"), reals(c, "in.score"), c.config.at("min_specificity").get<double>());
  return {{"out.sensitivity", scalar_f64(p.sensitivity)}, {"out.threshold", scalar_f64(p.threshold)}};
}

// ------------------------------------------------------------------------------------------- calibration
Results run_brier(const Case& c) {
  if (c.at("in.prob").dim() == 1) return value(brier_binary(ints(c, "in.target"), reals(c, "in.prob")));
  return value(brier(ints(c, "in.target"), matrix(c, "in.prob"), c.config.value("scale_by_half", true)));
}

Results run_ece(const Case& c) {
  const std::string w = word(c, "norm", "l1");
  const CalibrationNorm norm = w == "l2" ? CalibrationNorm::L2 : w == "max" ? CalibrationNorm::Max : CalibrationNorm::L1;
  const int64_t bins = c.config.value("n_bins", int64_t{15});
  const CalibrationError e = c.at("in.prob").dim() == 1 ? calibration_error_binary(ints(c, "in.target"), reals(c, "in.prob"), bins, norm)
                                                        : calibration_error(ints(c, "in.target"), matrix(c, "in.prob"), bins, norm);
  return {{"out.value", scalar_f64(e.value)},
          {"out.bin_accuracy", tensor(e.accuracy)},
          {"out.bin_confidence", tensor(e.confidence)},
          {"out.bin_fraction", tensor(e.fraction)}};
}

// ------------------------------------------------------------------------------------------- bootstrap
Statistic statistic(const Case& c, const std::string& score) {
  const std::string metric = c.config.at("metric").get<std::string>();
  if (metric == "mean") return mean_statistic(reals(c, score));
  if (metric == "auroc") return auroc_statistic(ints(c, "in.target"), reals(c, score));
  if (metric == "accuracy") return accuracy_statistic(ints(c, "in.target"), ints(c, "in.pred"));
  const Ints target = ints(c, "in.target"), pred = ints(c, "in.pred");
  int64_t classes = 1;
  for (int64_t t : target) classes = std::max(classes, t + 1);
  for (int64_t p : pred) classes = std::max(classes, p + 1);
  return balanced_accuracy_statistic(target, pred, classes);
}

Results run_bootstrap(const Case& c) {
  Statistic s = statistic(c, "in.score");
  if (c.config.value("paired_difference", false)) s = difference(s, statistic(c, "in.score_b"));
  BootstrapOptions o;
  const std::string method = word(c, "method", "percentile");
  o.method = method == "bca" ? IntervalMethod::Bca : method == "basic" ? IntervalMethod::Basic : IntervalMethod::Percentile;
  o.confidence = c.config.value("confidence", 0.95);
  const int64_t rows = c.has("in.target") ? c.at("in.target").size(0) : c.at("in.score").size(0);
  const Interval r = bootstrap_interval(s, rows, ints(c, "in.group"), Resampler::given(ints(c, "in.indices"), c.at("in.indices").size(1)), o);
  return {{"out.estimate", scalar_f64(r.estimate)}, {"out.low", scalar_f64(r.low)},
          {"out.high", scalar_f64(r.high)},         {"out.standard_error", scalar_f64(r.standard_error)},
          {"out.replicate", tensor(r.replicates)},  {"out.undefined", scalar_i64(r.undefined)}};
}

// ------------------------------------------------------------------------------------------- probes
Results run_linear_probe(const Case& c) {
  LinearProbeOptions o;
  if (c.config.contains("C") && c.config["C"].is_number()) o.C = c.config["C"].get<double>();
  o.fit_intercept = c.config.value("fit_intercept", true);
  o.balanced = word(c, "class_weight", "none") == "balanced";
  o.penalty = word(c, "penalty", "l2_squared") == "l2_norm" ? Penalty::L2Norm : Penalty::L2Squared;
  const LinearProbe p = fit_linear_probe(c.at("in.x"), ints(c, "in.target"), num_classes(c), o);
  const Matrix prob = p.probabilities(c.at("in.x_test"));
  return {{"out.coef", tensor(p.coef)},
          {"out.intercept", tensor(p.intercept)},
          {"out.prob", tensor(prob)},
          {"out.pred", tensor(argmax_rows(prob))},
          {"out.objective", scalar_f64(p.objective)}};
}

Results knn_uni(const Case& c) {
  const Ints target = ints(c, "in.target"), truth = ints(c, "in.target_test");
  const auto r =
      knn_classify(c.at("in.x"), target, c.at("in.x_test"), num_classes(c), uni_knn_options(c.at("in.x"), c.config.value("k", int64_t{20})));
  Results out{{"out.pred", tensor(r[0].pred)}};
  if (truth.empty()) return out;
  const Matrix m = confusion(truth, r[0].pred, num_classes(c));
  out["out.accuracy"] = scalar_f64(accuracy(truth, r[0].pred, num_classes(c)));
  out["out.balanced_accuracy"] = scalar_f64(balanced_accuracy(m));
  out["out.quadratic_kappa"] = scalar_f64(cohen_kappa(m, KappaWeights::Quadratic).value());
  out["out.weighted_f1"] = scalar_f64(precision_recall_f1(m, {.average = Average::Weighted}).f1[0]);
  return out;
}

Results run_knn(const Case& c) {
  const std::string method = c.config.at("method").get<std::string>();
  if (method == "uni") return knn_uni(c);
  KnnOptions o;
  o.vote = method == "dinov2" ? KnnVote::DinoV2 : method == "majority" ? KnnVote::Majority : KnnVote::Dino;
  o.k = c.config.at("k").is_array() ? c.config["k"].get<Ints>() : Ints{c.config["k"].get<int64_t>()};
  o.temperature = c.config.value("temperature", 0.07);
  if (method == "majority") {
    const bool cosine = word(c, "metric", "euclidean") == "cosine";
    o.similarity = cosine ? Similarity::Dot : Similarity::Euclidean;
    o.transform.unit = cosine;
  }
  const auto r = knn_classify(c.at("in.x"), ints(c, "in.target"), c.at("in.x_test"), num_classes(c), o);
  if (c.config["k"].is_array()) {
    std::vector<Tensor> score, pred;
    for (const auto& p : r) score.push_back(tensor(p.score_MC)), pred.push_back(tensor(p.pred));
    return {{"out.score", at::stack(score)}, {"out.pred", at::stack(pred)}};
  }
  Results out{{"out.score", tensor(r[0].score_MC)}, {"out.pred", tensor(r[0].pred)}};
  const Ints truth = ints(c, "in.target_test");
  if (truth.empty()) return out;
  out["out.top1"] = scalar_f64(100 * top_k_accuracy(truth, r[0].score_MC, 1));
  out["out.top5"] = scalar_f64(100 * top_k_accuracy(truth, r[0].score_MC, std::min({int64_t{5}, o.k[0], num_classes(c)})));
  return out;
}

// ------------------------------------------------------------------------------------------- representation, splits
Results run_effective_rank(const Case& c) {
  const Rank r = rank_of(singular_values(c.at("in.x"), c.config.value("center", true)));
  return {{"out.effective_rank", scalar_f64(r.effective)},
          {"out.stable_rank", scalar_f64(r.stable)},
          {"out.participation_ratio", scalar_f64(r.participation)}};
}

Results run_patient_split(const Case& c) {
  const int64_t folds = c.config.contains("n_folds") ? c.config["n_folds"].get<int64_t>() : c.config.at("folds").get<int64_t>();
  const Ints target = ints(c, "in.target");
  int64_t classes = c.config.value("num_classes", int64_t{0});
  for (int64_t t : target) classes = std::max(classes, t + 1);
  const Folds f = group_folds(target, ints(c, "in.group"), classes, folds, ints(c, "in.group_order"));
  return {{"out.fold", tensor(f.fold)}, {"out.count", tensor(f.count).to(at::kLong)}};
}

Results run_leak_check(const Case& c) {
  const auto overlap = group_overlap(ints(c, "in.patient"), ints(c, "in.partition"));
  Ints count;
  for (const auto& ids : overlap) count.push_back(static_cast<int64_t>(ids.size()));
  return {{"out.overlap", tensor(count)}, {"out.clean", scalar_i64(count == Ints{0, 0, 0})}};
}

}  // namespace

std::vector<Row> eval_rows() {
  return {
      {"eval.accuracy", run_accuracy},
      {"eval.balanced_accuracy", [](const Case& c) { return value(balanced_accuracy(confusion_of(c), c.config.value("adjusted", false))); }},
      {"eval.confusion", run_confusion},
      {"eval.f1", run_f1},
      {"eval.cohen_kappa", run_kappa},
      {"eval.mcc", [](const Case& c) { return value(matthews_correlation(confusion_of(c))); }},
      {"eval.auroc", run_auroc},
      {"eval.roc_curve", run_roc_curve},
      {"eval.pr_curve", run_pr_curve},
      {"eval.average_precision", run_average_precision},
      {"eval.sensitivity_at_specificity", run_sensitivity},
      {"eval.log_loss", [](const Case& c) { return value(log_loss(ints(c, "in.target"), matrix(c, "in.prob"), reals(c, "in.weight"))); }},
      {"eval.brier", run_brier},
      {"eval.ece", run_ece},
      {"eval.bootstrap_ci", run_bootstrap},
      {"eval.linear_probe", run_linear_probe},
      {"eval.knn", run_knn},
      {"eval.rankme", [](const Case& c) { return value(rankme(singular_values(c.at("in.x"), false), c.config.value("eps", 1e-7))); }},
      {"eval.effective_rank", run_effective_rank},
      {"eval.patient_split", run_patient_split},
      {"eval.leak_check", run_leak_check},
      {"ssl.rankme",
       [](const Case& c) -> Results {
         return {{"out.rankme", scalar_f64(rankme(singular_values(c.at("in.x"), false), c.config.value("eps", 1e-7), EpsPlace::ToSum))}};
       }},
  };
}

}  // namespace eosin::golden
