#include "eval/scoring.h"

#include "core/base/error.h"
#include "eval/bootstrap.h"
#include "eval/calibration.h"
#include "eval/classification.h"
#include "eval/kaplan_meier.h"
#include "eval/logrank.h"
#include "eval/ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

/// A number to report, as a function of the weights of a protocol's test rows.
struct Score {
  std::string name;
  bool higher_is_better;
  std::function<Statistic(const ProtocolResult&)> make;
};

Score score_of(const MetricRow& row, const std::vector<std::string>& targets) {
  return {row.name, row.higher_is_better, [&row, &targets](const ProtocolResult& r) {
            return r.predictions.number_NT.cols > 0 ? over_targets(row, r.predictions, targets)
                                                    : row.make(std::make_shared<Predictions>(r.predictions));
          }};
}

/// The same of one target alone.
Score score_of(const MetricRow& row, int64_t target) {
  return {row.name, row.higher_is_better, [&row, target](const ProtocolResult& r) { return of_target(row, r.predictions, target); }};
}

/// The protocol's own measure m.
Score score_of(const ProtocolResult& any, size_t m) {
  return {any.measures[m].name, true, [m](const ProtocolResult& r) { return statistic_of(r.measures[m]); }};
}

struct Scoring {
  const ScoringConfig& config;
  const LabelledSet& set;
  const std::vector<FoldResult>& folds;
  PooledFolds pooled;
};

Json fold_values(const Score& score, const Scoring& s) {
  Json values = Json::array();
  for (const FoldResult& f : s.folds) {
    Json v{{"fold", f.fold}, {"n", f.rows.size()}};
    if (!f.name.empty()) v["name"] = f.name;
    try {
      const auto value = score.make(f.result)({});
      EOSIN_CHECK(value, Numeric, "[eval.metrics] {} is undefined on these rows: nothing to divide by", score.name);
      v["value"] = *value;
    } catch (const Error& e) {
      v["value"] = nullptr;
      v["why"] = e.what();
    }
    values.push_back(std::move(v));
  }
  return values;
}

Json interval_of(const Score& score, const Scoring& s) {
  const BootstrapOptions options{s.config.interval == "bca" ? IntervalMethod::Bca : IntervalMethod::Percentile, 0.95};
  const Interval r = bootstrap_interval(score.make(s.pooled.all), static_cast<int64_t>(s.pooled.unit_of.size()), s.pooled.unit_of,
                                        Resampler::drawn(s.pooled.units, s.config.bootstrap, static_cast<uint64_t>(s.config.seed)), options);
  return {{"value", r.estimate},
          {"ci_low", r.low},
          {"ci_high", r.high},
          {"standard_error", r.standard_error},
          {"ci", fmt::format("{}bootstrap_{}_{}", s.set.grouped ? "cluster_" : "", s.config.interval, s.config.bootstrap)},
          {"undefined", r.undefined},
          {"state", r.reliable() ? "ok" : "unreliable"}};
}

/// Mean over folds and, from the pooled predictions, the interval.
Json reported(const Score& score, const Scoring& s) {
  Json m{{"name", score.name},
         {"direction", score.higher_is_better ? "higher" : "lower"},
         {"unit", s.set.grouped ? "group" : s.set.unit},
         {"mean", nullptr}};
  Json folds = fold_values(score, s);
  double sum = 0, square = 0, count = 0;
  for (const Json& f : folds)
    if (!f["value"].is_null()) sum += f["value"].get<double>(), ++count;
  for (const Json& f : folds)
    if (!f["value"].is_null()) square += std::pow(f["value"].get<double>() - sum / count, 2);
  if (count > 0) m["mean"] = sum / count;
  m["sd"] = count > 1 ? Json(std::sqrt(square / (count - 1))) : Json();
  m["ci_low"] = m["ci_high"] = nullptr;
  try {
    const Json interval = interval_of(score, s);
    m["ci_low"] = interval["ci_low"], m["ci_high"] = interval["ci_high"];
    m["state"] = interval["state"];
    if (folds.size() == 1) folds[0].update(interval);
    m["pooled"] = interval;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Config) throw;
    m["state"] = fmt::format("undefined: {}", e.what());
  }
  m["folds"] = std::move(folds);
  return m;
}

/// The score over the pooled predictions; null where it is undefined.
Json pooled_value(const Score& score, const Scoring& s) {
  try {
    return *score.make(s.pooled.all)({});
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Numeric && e.kind() != ErrorKind::Data) throw;
    return nullptr;
  }
}

/// Every target: its measures over the pooled predictions, and the interval of the first.
Json targets_of(const Scoring& s) {
  Json targets = Json::array();
  for (size_t t = 0; t < s.set.targets.size(); ++t) {
    const auto of_target = [&](const std::string& name) { return score_of(metric(name), static_cast<int64_t>(t)); };
    Json one{{"name", s.set.targets[t]}};
    for (const auto& name : s.config.metrics) one[name] = pooled_value(of_target(name), s);
    const Json first = reported(of_target(s.config.metrics.front()), s);
    one["ci_low"] = first["ci_low"], one["ci_high"] = first["ci_high"], one["state"] = first["state"];
    targets.push_back(std::move(one));
  }
  return targets;
}

/// Points (number, estimate) of the targets whose correlation is highest and lowest, at most kMostPoints evenly taken rows of each.
Json scatter_of(const Scoring& s) {
  constexpr size_t kMostTargets = 6;
  constexpr size_t kMostPoints = 500;
  const Matrix &number = s.pooled.all.predictions.number_NT, &estimate = s.pooled.all.predictions.estimate_NT;
  std::vector<std::pair<double, int64_t>> order;  // by correlation, the highest first; without one last
  for (int64_t t = 0; t < number.cols; ++t) {
    const Json r = pooled_value(score_of(metric("pearson"), t), s);
    order.emplace_back(r.is_null() ? 2 : -r.get<double>(), t);
  }
  std::stable_sort(order.begin(), order.end());
  if (order.size() > kMostTargets) order.erase(order.begin() + kMostTargets / 2, order.end() - kMostTargets / 2);
  Json figures = Json::array();
  for (const auto& [minus_r, t] : order) {
    std::vector<int64_t> known;
    for (int64_t i = 0; i < number.rows; ++i)
      if (!std::isnan(number(i, t))) known.push_back(i);
    Json f{{"target", s.set.targets[static_cast<size_t>(t)]}, {"rows", known.size()}, {"x", Json::array()}, {"y", Json::array()}};
    const size_t step = (known.size() + kMostPoints - 1) / kMostPoints;
    for (size_t k = 0; k < known.size(); k += step) f["x"].push_back(number(known[k], t)), f["y"].push_back(estimate(known[k], t));
    figures.push_back(std::move(f));
  }
  return figures;
}

/// ROC and precision against recall, of the second of two classes or of every class against the rest.
Json curves_of(const Predictions& p) {
  Json curves = Json::array();
  for (int64_t c = p.num_classes == 2 ? 1 : 0; c < p.num_classes; ++c) {
    std::vector<int64_t> is;
    std::vector<double> prob;
    for (size_t i = 0; i < p.target.size(); ++i) is.push_back(p.target[i] == c), prob.push_back(p.prob_NC(static_cast<int64_t>(i), c));
    const auto positives = std::count(is.begin(), is.end(), 1);
    if (positives == 0 || positives == static_cast<int64_t>(is.size())) continue;
    const RocCurve roc = roc_curve(is, prob);
    const PrecisionRecallCurve pr = pr_curve(is, prob);
    curves.push_back({{"kind", "roc"}, {"fold", "pooled"}, {"class", c}, {"x", roc.fpr}, {"y", roc.tpr}});
    curves.push_back({{"kind", "pr"}, {"fold", "pooled"}, {"class", c}, {"x", pr.recall}, {"y", pr.precision}});
  }
  return curves;
}

/// How often the prediction is right, by how sure it was: the bins that hold predictions.
Json reliability_of(const Predictions& p) {
  const CalibrationError e = calibration_error(p.target, p.prob_NC, 10);
  Json bins{{"ece_10", e.value}, {"confidence", Json::array()}, {"accuracy", Json::array()}, {"fraction", Json::array()}};
  for (size_t b = 0; b < e.fraction.size(); ++b)
    if (e.fraction[b] > 0)
      bins["confidence"].push_back(e.confidence[b]), bins["accuracy"].push_back(e.accuracy[b]), bins["fraction"].push_back(e.fraction[b]);
  return bins;
}

struct Subjects {
  std::vector<double> time;
  std::vector<int64_t> event;
  void add(double t, int64_t e) { time.push_back(t), event.push_back(e); }
};

Json over_time(const char* name, const Subjects& s) {
  const SurvivalTable t = survival_table({s.time, s.event});
  const auto median = t.median();
  return {{"name", name},
          {"n", s.time.size()},
          {"events", std::count(s.event.begin(), s.event.end(), 1)},
          {"median", median ? Json(*median) : Json()},
          {"time", t.time},
          {"survival", t.survival},
          {"low", t.low},
          {"high", t.high},
          {"at_risk", t.at_risk}};
}

/// High and low risks, each beside its own fold's cut; of a row that several folds tested the first prediction. Null without cuts, or if a side
/// is empty.
Json survival_of(const std::vector<FoldResult>& folds) {
  Subjects all;
  std::array<Subjects, 2> sides;
  std::vector<int64_t> is_high;
  std::set<int64_t> seen;
  for (const FoldResult& f : folds) {
    if (!f.risk_cut) return nullptr;
    const Predictions& p = f.result.predictions;
    for (size_t i = 0; i < f.rows.size(); ++i) {
      if (!seen.insert(f.rows[i]).second) continue;
      is_high.push_back(p.risk[i] > *f.risk_cut);
      sides[static_cast<size_t>(is_high.back())].add(p.time[i], p.target[i]);
      all.add(p.time[i], p.target[i]);
    }
  }
  if (sides[0].time.empty() || sides[1].time.empty()) return nullptr;
  Json s{{"groups", {over_time("low risk", sides[0]), over_time("high risk", sides[1])}}};
  try {
    const TestResult test = logrank({all.time, all.event}, is_high);
    s["logrank"] = {{"statistic", test.statistic}, {"p", test.p_value}};
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Numeric) throw;
    s["logrank"] = {{"p", nullptr}, {"why", e.what()}};
  }
  return s;
}

Json table_of(const Matrix& m) {
  Json rows = Json::array();
  for (int64_t i = 0; i < m.rows; ++i) {
    Json row = Json::array();
    for (double v : m.row(i)) row.push_back(static_cast<int64_t>(v));
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The ten most confident wrong predictions.
Json worst_errors(const Scoring& s) {
  struct Wrong {
    double confidence;
    int64_t row, pred;
  };
  std::vector<Wrong> wrong;
  for (const FoldResult& f : s.folds)
    for (size_t i = 0; i < f.rows.size(); ++i) {
      const Predictions& p = f.result.predictions;
      if (p.pred[i] != p.target[i]) wrong.push_back({p.prob_NC(static_cast<int64_t>(i), p.pred[i]), f.rows[i], p.pred[i]});
    }
  std::stable_sort(wrong.begin(), wrong.end(), [](const Wrong& a, const Wrong& b) { return a.confidence > b.confidence; });
  Json rows = Json::array();
  for (size_t i = 0; i < std::min<size_t>(10, wrong.size()); ++i)
    rows.push_back({{"id", s.set.ids[wrong[i].row]},
                    {"true", s.set.classes[s.set.target[wrong[i].row]]},
                    {"predicted", s.set.classes[wrong[i].pred]},
                    {"confidence", wrong[i].confidence}});
  return rows;
}

}  // namespace

void ScoringConfig::visit(config::Visitor& v) {
  v("metrics", metrics, "names of `eosin list metric`; the first is the headline", config::Length{1, 100});
  v("bootstrap", bootstrap, "resamples of the groups for an interval", config::Range{2, 1e6});
  v("interval", interval, "percentile, or bias-corrected and accelerated", config::OneOf{{"percentile", "bca"}});
}

void ScoringConfig::validate(config::Problems& p) const { check_metrics(metrics, p); }

void check_metrics(const std::vector<std::string>& metrics, config::Problems& p) {
  for (const auto& name : metrics) {
    try {
      metric(name);
    } catch (const Error& e) {
      p.add("metrics", e.what());
    }
  }
}

std::vector<std::string> fitting(const std::vector<std::string>& metrics, const std::string& kind) {
  std::vector<std::string> fit;
  for (const auto& name : metrics) {
    const std::string& needs = metric(name).needs;
    if ((needs == "risks" || needs == "numbers" ? needs : "predictions") == kind) fit.push_back(name);
  }
  EOSIN_CHECK(!fit.empty(), Config, "[eval.metrics] none of the metrics is of {} (got {}); `eosin list metric` says what each needs", kind,
              fmt::join(metrics, ", "));
  return fit;
}

Json score_folds(const LabelledSet& set, const std::vector<FoldResult>& folds, const ScoringConfig& given) {
  ScoringConfig config = given;
  const std::string kind = folds.front().result.predictions.kind();
  config.metrics = kind.empty() ? std::vector<std::string>() : fitting(given.metrics, kind);
  const Scoring scoring{config, set, folds, pooled(set, folds)};
  Json results{{"metrics", Json::array()}};
  for (const auto& name : config.metrics) results["metrics"].push_back(reported(score_of(metric(name), set.targets), scoring));
  for (size_t m = 0; m < scoring.pooled.all.measures.size(); ++m) results["metrics"].push_back(reported(score_of(scoring.pooled.all, m), scoring));
  const Predictions& all = scoring.pooled.all.predictions;
  if (kind.empty()) return results;
  if (!all.risk.empty()) {
    if (Json survival = survival_of(folds); !survival.is_null()) results["survival"] = std::move(survival);
    return results;
  }
  if (all.number_NT.cols > 0) {
    results["targets"] = targets_of(scoring);
    if (!all.flags) results["scatter"] = scatter_of(scoring);
    return results;
  }
  results["curves"] = curves_of(all);
  results["reliability"] = reliability_of(all);
  results["confusion"] = table_of(confusion(all.target, all.pred, all.num_classes));
  results["worst_errors"] = worst_errors(scoring);
  return results;
}

Json short_metrics(const Json& results) {
  Json all = Json::object();
  for (const Json& m : results.at("metrics")) {
    Json folds = Json::array();
    for (const Json& f : m.at("folds")) folds.push_back(f.at("value"));
    all[m.at("name").get<std::string>()] = {
        {"mean", m.at("mean")}, {"sd", m.at("sd")}, {"ci_low", m.at("ci_low")}, {"ci_high", m.at("ci_high")}, {"folds", folds}};
  }
  return all;
}

}  // namespace eosin::eval
