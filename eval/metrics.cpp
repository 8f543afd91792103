#include "eval/metrics.h"

#include "core/base/config.h"
#include "core/base/error.h"
#include "eval/calibration.h"
#include "eval/classification.h"
#include "eval/concordance.h"
#include "eval/ranking.h"
#include "eval/regression.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

using Shared = std::shared_ptr<const Predictions>;

/// A metric that is a function of the weighted confusion matrix.
template <class F>
Statistic of_confusion(Shared p, F measure) {
  confusion(p->target, p->pred, p->num_classes);  // checks
  return [p, measure](Weights weight) -> std::optional<double> {
    Matrix m(p->num_classes, p->num_classes);
    for (size_t i = 0; i < p->target.size(); ++i) m(p->target[i], p->pred[i]) += weight_of(weight, i);
    return measure(m);
  };
}

/// A metric of the probabilities that every weighting defines.
template <class F>
Statistic of_probabilities(Shared p, F measure) {
  check_probabilities("eval.metrics", p->prob_NC);
  return [p, measure](Weights weight) -> std::optional<double> { return measure(*p, weight); };
}

Statistic make_accuracy(Shared p) { return accuracy_statistic(p->target, p->pred); }
Statistic make_balanced_accuracy(Shared p) { return balanced_accuracy_statistic(p->target, p->pred, p->num_classes); }
Statistic make_macro_f1(Shared p) {
  return of_confusion(p, [](const Matrix& m) { return precision_recall_f1(m, {.average = Average::Macro}).f1[0]; });
}
Statistic make_weighted_f1(Shared p) {
  return of_confusion(p, [](const Matrix& m) { return precision_recall_f1(m, {.average = Average::Weighted}).f1[0]; });
}
Statistic make_mcc(Shared p) { return of_confusion(p, matthews_correlation); }
Statistic make_quadratic_kappa(Shared p) {
  return of_confusion(p, [](const Matrix& m) { return cohen_kappa(m, KappaWeights::Quadratic); });
}

Statistic make_auroc(Shared p) {
  auroc_ovr(p->target, p->prob_NC);  // names a class that is absent
  auto ranked = std::make_shared<const RankedScores>(p->target, p->prob_NC);
  return [ranked](Weights weight) { return ranked->macro(weight); };
}

Statistic make_average_precision(Shared p) {
  average_precision_multiclass(p->target, p->prob_NC, Average::Macro);  // names a class that is absent
  auto ranked = std::make_shared<const RankedScores>(p->target, p->prob_NC);
  return [ranked](Weights weight) { return ranked->macro_precision(weight); };
}

Statistic make_log_loss(Shared p) {
  return of_probabilities(p, [](const Predictions& q, Weights w) { return log_loss(q.target, q.prob_NC, w); });
}
Statistic make_brier(Shared p) {
  return of_probabilities(p, [](const Predictions& q, Weights w) { return brier(q.target, q.prob_NC, true, w); });
}
Statistic make_ece(Shared p) {
  return of_probabilities(p,
                          [](const Predictions& q, Weights w) { return calibration_error(q.target, q.prob_NC, 15, CalibrationNorm::L1, w).value; });
}

/// Rows as often as they count: the weights of a resample are whole numbers.
Statistic make_c_index(Shared p) {
  EOSIN_CHECK(!p->risk.empty(), Data, "[eval.metrics] c_index is of risks, and these are predicted classes");
  harrell_c({p->time, p->target}, p->risk);  // says why it is undefined
  return [p](Weights weight) -> std::optional<double> {
    std::vector<double> time, risk;
    std::vector<int64_t> event;
    for (size_t i = 0; i < p->risk.size(); ++i)
      for (int64_t k = std::llround(weight_of(weight, i)); k > 0; --k)
        time.push_back(p->time[i]), risk.push_back(p->risk[i]), event.push_back(p->target[i]);
    try {
      return harrell_c({time, event}, risk).value;
    } catch (const Error&) {
      return std::nullopt;  // nobody in this resample can be compared
    }
  };
}

Statistic make_pearson(Shared p) { return pearson_statistic(p->number_NT, p->estimate_NT); }
Statistic make_spearman(Shared p) { return spearman_statistic(p->number_NT, p->estimate_NT); }
Statistic make_r2(Shared p) { return r2_statistic(p->number_NT, p->estimate_NT); }
Statistic make_mae(Shared p) { return mae_statistic(p->number_NT, p->estimate_NT); }

/// These rows of one target.
Shared alone(const Predictions& p, int64_t target, const std::vector<int64_t>& rows) {
  auto one = std::make_shared<Predictions>();
  const auto n = static_cast<int64_t>(rows.size());
  if (!p.flags) {
    one->number_NT = one->estimate_NT = Matrix(n, 1);
    for (int64_t i = 0; i < n; ++i) one->number_NT(i, 0) = p.number_NT(rows[i], target), one->estimate_NT(i, 0) = p.estimate_NT(rows[i], target);
    return one;
  }
  one->num_classes = 2, one->prob_NC = Matrix(n, 2);
  for (int64_t i = 0; i < n; ++i) {
    const double yes = p.estimate_NT(rows[i], target);
    one->prob_NC(i, 0) = 1 - yes, one->prob_NC(i, 1) = yes;
    one->target.push_back(p.number_NT(rows[i], target) == 1), one->pred.push_back(yes >= 0.5);
  }
  return one;
}

}  // namespace

Statistic of_target(const MetricRow& row, const Predictions& p, int64_t target) {
  std::vector<int64_t> known;
  for (int64_t i = 0; i < p.number_NT.rows; ++i)
    if (!std::isnan(p.number_NT(i, target))) known.push_back(i);
  EOSIN_CHECK(!known.empty(), Data, "[eval.metrics] {}: the target is unknown of all {} rows", row.name, p.number_NT.rows);
  return [measure = row.make(alone(p, target, known)), known](Weights weight) -> std::optional<double> {
    if (weight.empty()) return measure({});
    std::vector<double> of_known;
    for (const int64_t i : known) of_known.push_back(weight[i]);
    const bool none = std::all_of(of_known.begin(), of_known.end(), [](double w) { return w == 0; });
    return none ? std::nullopt : measure(of_known);
  };
}

Statistic over_targets(const MetricRow& row, const Predictions& p, const std::vector<std::string>& names) {
  std::vector<Statistic> measures;
  for (int64_t t = 0; t < p.number_NT.cols; ++t) {
    try {
      measures.push_back(of_target(row, p, t));
    } catch (const Error& e) {
      fail(e.kind(), "{}{}", e.what(), p.number_NT.cols > 1 ? fmt::format(" (target '{}')", names.at(static_cast<size_t>(t))) : "");
    }
  }
  return [measures = std::move(measures)](Weights weight) -> std::optional<double> {
    double sum = 0;
    for (const Statistic& measure : measures) {
      const auto value = measure(weight);
      if (!value) return std::nullopt;
      sum += *value;
    }
    return sum / static_cast<double>(measures.size());
  };
}

const std::vector<MetricRow>& metrics() {
  static const std::vector<MetricRow> table = {
      {"accuracy", true, "predictions", "0 ... 1", "share of samples whose prediction is the target", "", make_accuracy},
      {"balanced_accuracy", true, "predictions", "0 ... 1", "mean recall over the classes that occur", "Brodersen et al. 2010",
       make_balanced_accuracy},
      {"macro_f1", true, "predictions", "0 ... 1", "mean of the classes' F1, every declared class alike", "van Rijsbergen 1979", make_macro_f1},
      {"weighted_f1", true, "predictions", "0 ... 1", "mean of the classes' F1, by their samples", "van Rijsbergen 1979", make_weighted_f1},
      {"mcc", true, "predictions", "-1 ... 1", "Matthews' correlation of prediction and target", "Gorodkin 2004", make_mcc},
      {"quadratic_kappa", true, "predictions", "-1 ... 1", "agreement beyond chance, weighted by the squared distance of ordered classes",
       "Cohen 1968", make_quadratic_kappa},
      {"auroc_ovr_macro", true, "probabilities", "0 ... 1", "area under the ROC curve, each class against the rest, plain mean",
       "Hanley and McNeil 1982", make_auroc},
      {"average_precision_macro", true, "probabilities", "0 ... 1", "area under the precision-recall steps, each class against the rest, plain mean",
       "Manning et al. 2008", make_average_precision},
      {"log_loss", false, "probabilities", "0 ...", "mean of -ln P(target)", "Good 1952", make_log_loss},
      {"brier", false, "probabilities", "0 ... 1", "mean squared distance of the probabilities from the truth, halved", "Brier 1950", make_brier},
      {"ece_15", false, "probabilities", "0 ... 1", "gap between top-1 confidence and accuracy in 15 bins", "Guo et al. 2017, arXiv:1706.04599",
       make_ece},
      {"c_index", true, "risks", "0 ... 1", "share of comparable pairs whose higher risk has the earlier event", "Harrell et al. 1996", make_c_index},
      {"pearson", true, "numbers", "-1 ... 1", "correlation of number and estimate, mean over the targets", "Pearson 1895", make_pearson},
      {"spearman", true, "numbers", "-1 ... 1", "correlation of their ranks, mean over the targets", "Spearman 1904", make_spearman},
      {"r2", true, "numbers", "... 1", "1 - squared errors over squares about the mean, mean over the targets", "", make_r2},
      {"mae", false, "numbers", "0 ...", "mean absolute error, mean over the targets", "", make_mae},
  };
  return table;
}

const MetricRow& metric(const std::string& name) {
  std::vector<std::string> names;
  for (const MetricRow& row : metrics()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  const auto near = config::nearest(name, names);
  fail(ErrorKind::Config, "[eval.metrics] unknown metric '{}'{}; need one of {}", name, near ? fmt::format("; did you mean '{}'?", *near) : "",
       fmt::join(names, ", "));
}

}  // namespace eosin::eval
