#include "eval/concordance.h"
#include "eval/cox.h"
#include "eval/delong.h"
#include "eval/fold_summary.h"
#include "eval/friedman.h"
#include "eval/integrated_brier.h"
#include "eval/kaplan_meier.h"
#include "eval/logrank.h"
#include "eval/mcnemar.h"
#include "eval/multiple_tests.h"
#include "eval/regression.h"
#include "eval/stain_protocol.h"
#include "eval/time_dependent_auc.h"
#include "eval/wilcoxon.h"
#include "tests/golden/arrays.h"

namespace eosin::golden {
namespace {

using namespace eosin::eval;

Results result(const TestResult& t) { return {{"out.statistic", scalar_f64(t.statistic)}, {"out.p_value", scalar_f64(t.p_value)}}; }
double confidence(const Case& c) { return c.config.value("confidence", 0.95); }

// ------------------------------------------------------------------------------------------- survival
/// The arrays that a FollowUp looks at.
struct Subjects {
  Reals time;
  Ints event;
  operator FollowUp() const { return {time, event}; }
};
Subjects subjects(const Case& c, const std::string& prefix = "in.") { return {reals(c, prefix + "time"), ints(c, prefix + "event")}; }
Reals times(const Case& c) { return c.config.at("times").get<Reals>(); }

Results run_c_index(const Case& c) {
  const double tol = c.config.value("tied_tol", 1e-8);
  if (word(c, "method", "harrell") == "uno") {
    const bool limited = c.config.contains("tau") && !c.config["tau"].is_null();
    const auto tau = limited ? std::optional(c.config["tau"].get<double>()) : std::nullopt;
    return value(uno_c(subjects(c), reals(c, "in.risk"), subjects(c, "in.train_"), tau, tol));
  }
  const Concordance r = harrell_c(subjects(c), reals(c, "in.risk"), tol);
  return {{"out.value", scalar_f64(r.value)},
          {"out.concordant", scalar_i64(r.concordant)},
          {"out.discordant", scalar_i64(r.discordant)},
          {"out.tied_risk", scalar_i64(r.tied_risk)},
          {"out.tied_time", scalar_i64(r.tied_time)}};
}

Results run_time_dependent_auc(const Case& c) {
  const TimeDependentAuc r = time_dependent_auc(subjects(c), matrix(c, "in.risk"), subjects(c, "in.train_"), times(c));
  return {{"out.auc", tensor(r.auroc)}, {"out.mean", scalar_f64(r.mean)}};
}

Results run_ibs(const Case& c) {
  const IntegratedBrier r = integrated_brier(subjects(c), matrix(c, "in.survival"), subjects(c, "in.train_"), times(c));
  return {{"out.brier", tensor(r.brier)}, {"out.value", scalar_f64(r.value)}};
}

Results run_kaplan_meier(const Case& c) {
  const KaplanMeier r = kaplan_meier(subjects(c), confidence(c));
  return {{"out.time", tensor(r.time)}, {"out.survival", tensor(r.survival)}, {"out.low", tensor(r.low)}, {"out.high", tensor(r.high)}};
}

Results run_survival_table(const Case& c) {
  const SurvivalTable t = survival_table(subjects(c), 1 - c.config.value("alpha", 0.05));
  return {{"out.time", tensor(t.time)},
          {"out.at_risk", tensor(t.at_risk)},
          {"out.observed", tensor(t.observed)},
          {"out.censored", tensor(t.censored)},
          {"out.survival", tensor(t.survival)},
          {"out.ci_lower", tensor(t.low)},
          {"out.ci_upper", tensor(t.high)},
          {"out.median", scalar_f64(t.median().value_or(-1))},
          {"out.rmst", scalar_f64(t.restricted_mean(c.at("out.rmst_tau").item<double>()))},
          {"out.rmst_tau", c.at("out.rmst_tau")}};
}

Results run_survival_logrank(const Case& c) {
  const LogRank test = logrank(subjects(c), ints(c, "in.group"));
  Results out = result(test);
  out["out.df"] = scalar_i64(test.degrees);
  return out;
}

Results run_cox(const Case& c) {
  const Cox r = cox(subjects(c), matrix(c, "in.x"), confidence(c));
  return {{"out.coef", tensor(r.coef)},     {"out.se", tensor(r.se)},           {"out.hazard_ratio", tensor(r.hazard_ratio)},
          {"out.hr_low", tensor(r.hr_low)}, {"out.hr_high", tensor(r.hr_high)}, {"out.log_likelihood", scalar_f64(r.log_likelihood)}};
}

// ------------------------------------------------------------------------------------------- tests
Results run_delong(const Case& c) {
  const DeLong r = delong(ints(c, "in.target"), matrix(c, "in.score"), confidence(c));
  Results out{{"out.auc", tensor(r.auroc)}, {"out.covariance", tensor(r.covariance)}, {"out.low", tensor(r.low)}, {"out.high", tensor(r.high)}};
  if (r.auroc.size() == 2) {
    const TestResult t = delong_test(r);
    out["out.z"] = scalar_f64(t.statistic), out["out.p_value"] = scalar_f64(t.p_value);
  }
  return out;
}

Results run_mcnemar(const Case& c) {
  const PairedHits h = paired_hits(ints(c, "in.target"), ints(c, "in.pred_a"), ints(c, "in.pred_b"));
  const McNemarForm form = c.config.value("exact", true)        ? McNemarForm::Exact
                           : c.config.value("correction", true) ? McNemarForm::Corrected
                                                                : McNemarForm::ChiSquare;
  Results out = result(mcnemar(h, form));
  out["out.table"] = tensor(Ints{h.both, h.only_a, h.only_b, h.neither}).reshape({2, 2});
  return out;
}

Results run_wilcoxon(const Case& c) {
  const std::string zeros = word(c, "zero_method", "wilcox"), alternative = word(c, "alternative", "two-sided");
  WilcoxonOptions o;
  o.zeros = zeros == "pratt" ? ZeroDifferences::Pratt : zeros == "zsplit" ? ZeroDifferences::Split : ZeroDifferences::Drop;
  o.alternative = alternative == "greater" ? Alternative::Greater : alternative == "less" ? Alternative::Less : Alternative::TwoSided;
  o.exact = word(c, "method", "exact") == "exact";
  o.correction = c.config.value("correction", false);
  return result(wilcoxon(reals(c, "in.a"), reals(c, "in.b"), o));
}

Results adjusted(const Case& c, const Reals& p) {
  return {{"out.adjusted", tensor(p)}, {"out.reject", tensor(rejected(p, c.config.value("alpha", 0.05)))}};
}

Results run_friedman(const Case& c) {
  const Friedman f = friedman(matrix(c, "in.value"));
  Results out = result(f.test);
  out["out.mean_rank"] = tensor(f.mean_rank);
  return out;
}

Results run_fold_summary(const Case& c) {
  const FoldSummary s = fold_summary(reals(c, "in.value"), confidence(c));
  const TestResult t = corrected_resampled_t(reals(c, "in.value"), reals(c, "in.value_b"), c.config.at("test_to_train_ratio").get<double>());
  return {{"out.mean", scalar_f64(s.mean)},
          {"out.sd", scalar_f64(s.sd)},
          {"out.low", scalar_f64(s.low)},
          {"out.high", scalar_f64(s.high)},
          {"out.corrected_t", scalar_f64(t.statistic)},
          {"out.corrected_p", scalar_f64(t.p_value)}};
}

Results run_regression_metrics(const Case& c) {
  const RegressionMetrics r = regression_metrics(matrix(c, "in.target"), matrix(c, "in.pred"));
  return {{"out.pearson", tensor(r.pearson)},
          {"out.spearman", tensor(r.spearman)},
          {"out.r2", tensor(r.r2)},
          {"out.mse", tensor(r.mse)},
          {"out.mae", tensor(r.mae)}};
}

Results run_stain_amplitude(const Case& c) {
  const StainAmplitude r = stain_amplitude(ints(c, "in.target"), matrix(c, "in.score"),
                                           Resampler::given(ints(c, "in.indices"), c.at("in.indices").size(1)), confidence(c));
  return {{"out.auc", tensor(r.auroc)},
          {"out.range", scalar_f64(r.interval.estimate)},
          {"out.bootstrap_mean_range", scalar_f64(r.mean)},
          {"out.low", scalar_f64(r.interval.low)},
          {"out.high", scalar_f64(r.interval.high)},
          {"out.undefined", scalar_i64(r.interval.undefined)}};
}

}  // namespace

std::vector<Row> eval_statistics_rows() {
  return {
      {"eval.c_index", run_c_index},
      {"eval.time_dependent_auc", run_time_dependent_auc},
      {"eval.ibs", run_ibs},
      {"eval.kaplan_meier", run_kaplan_meier},
      {"survival.km", run_survival_table},
      {"survival.logrank", run_survival_logrank},
      {"eval.logrank", [](const Case& c) { return result(logrank(subjects(c), ints(c, "in.group"))); }},
      {"eval.cox", run_cox},
      {"eval.delong", run_delong},
      {"eval.mcnemar", run_mcnemar},
      {"eval.wilcoxon", run_wilcoxon},
      {"eval.holm", [](const Case& c) { return adjusted(c, holm(reals(c, "in.p_value"))); }},
      {"eval.benjamini_hochberg", [](const Case& c) { return adjusted(c, benjamini_hochberg(reals(c, "in.p_value"))); }},
      {"eval.friedman", run_friedman},
      {"eval.fold_summary", run_fold_summary},
      {"eval.regression_metrics", run_regression_metrics},
      {"eval.stain_amplitude", run_stain_amplitude},
  };
}

}  // namespace eosin::golden
