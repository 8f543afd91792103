#include "apps/mil_results.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "eval/fold_summary.h"
#include "eval/multiple_tests.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <span>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

eval::ScoringConfig scoring_of(const MilOutcome& o) {
  eval::ScoringConfig scoring = o.config.scoring;
  scoring.seed = o.config.run.seed;
  return scoring;
}

std::vector<eval::FoldResult> folds_of(const Arm& arm) {
  std::vector<eval::FoldResult> folds;
  for (const ArmFold& f : arm.folds) folds.push_back(f.result);
  return folds;
}

int64_t known_of(const eval::LabelledSet& set, int64_t target) {
  int64_t known = 0;
  for (int64_t i = 0; i < set.number_NT.rows; ++i) known += !std::isnan(set.number_NT(i, target));
  return known;
}

/// "er 3, pr 5"; empty where all is known.
std::string unknown_targets(const eval::LabelledSet& set) {
  std::vector<std::string> some;
  for (size_t t = 0; t < set.targets.size(); ++t)
    if (const int64_t n = set.number_NT.rows - known_of(set, static_cast<int64_t>(t)); n > 0) some.push_back(fmt::format("{} {}", set.targets[t], n));
  return data::first_ten(some);
}

Json data_of(const MilOutcome& o) {
  Json classes = Json::object();
  for (size_t c = 0; c < o.inputs.set.classes.size(); ++c)
    classes[o.inputs.set.classes[c]] = std::count(o.inputs.set.target.begin(), o.inputs.set.target.end(), static_cast<int64_t>(c));
  Json known = Json::object();
  for (size_t t = 0; t < o.inputs.set.targets.size(); ++t) known[o.inputs.set.targets[t]] = known_of(o.inputs.set, static_cast<int64_t>(t));
  int64_t tiles = 0;
  for (const auto& s : o.inputs.bags->summaries()) tiles += s.rows;
  return {{"cohort", o.inputs.cohort.source},
          {"features", o.config.features},
          {"bags", o.inputs.set.ids.size()},
          {"unit", o.config.level},
          {"patients", o.inputs.set.grouped ? Json(o.inputs.set.groups.size()) : Json()},
          {"sites", o.inputs.cohort.has_sites ? Json(o.inputs.set.sites.size()) : Json()},
          {"tiles", tiles},
          {"dropped_tiles", o.inputs.bags->dropped()},
          {"dim", o.inputs.bags->dim()},
          {"encoder", {{"name", o.inputs.bags->encoder()}}},
          {"labels", known.empty() ? Json(o.inputs.set.classes) : Json::array()},
          {"balance", known.empty() ? classes : Json::object()},
          {"known", known}};
}

Json threshold_words(const MilOutcome& o) {
  if (o.config.outcome() != data::Outcome::Class) return nullptr;
  return o.arenas.front().threshold == "validation" ? "youden on validation" : "largest probability";
}

Json protocol_of(const MilOutcome& o) {
  const int64_t seed = o.config.run.seed;
  Json fits = Json::array();
  for (const ArmFold& f : o.arms.front().folds) {
    Json fit{{"split", o.plan.name(f.split)}, {"seed", f.seed}};
    fit.update(f.fit);
    fits.push_back(std::move(fit));
  }
  Json protocol{{"name", o.arms.front().name},
                {"kind", o.violations.empty() ? "honest" : "leaking"},
                {"violations", o.violations},
                {"unit", "patient"},
                {"split",
                 {{"source", o.plan.source},
                  {"hash", o.plan.hash(o.inputs.set)},
                  {"splits", o.plan.parts.size()},
                  {"repeats", o.plan.repeats},
                  {"seed", o.config.seed_of_splits()}}},
                {"selection", o.config.train.select},
                {"sampling", o.config.train.sampling},
                {"threshold", threshold_words(o)},
                {"seeds", {{"split", o.config.seed_of_splits()}, {"init", seed}, {"order", seed}, {"bootstrap", seed}}},
                {"chosen", fits},
                {"audit", eval::audit_json(o.audit)}};
  if (o.arenas.size() > 1) protocol["paper"] = {{"name", o.arenas[1].protocol}, {"differences", o.arenas[1].differences}};
  return protocol;
}

/// One row a metric that the table shows: mean over folds, and the interval of the pooled predictions.
Json row_of(const Arm& arm, const Json& scored) {
  Json row{{"name", arm.name}, {"kind", arm.kind}, {"protocol", arm.protocol}, {"folds", arm.folds.size()}, {"metrics", Json::object()}};
  for (const Json& m : scored.at("metrics")) {
    const Json pooled = m.value("pooled", Json::object());
    row["metrics"][m.at("name").get<std::string>()] = {{"mean", m.at("mean")},
                                                       {"sd", m.at("sd")},
                                                       {"pooled", pooled.value("value", Json())},
                                                       {"ci_low", m.at("ci_low")},
                                                       {"ci_high", m.at("ci_high")}};
  }
  return row;
}

/// The metric's value by split, mean over seeds; empty where a split has none.
std::vector<double> by_split(const Json& metric, size_t splits) {
  std::vector<double> sum(splits), count(splits);
  for (const Json& f : metric.at("folds")) {
    if (f.at("value").is_null()) continue;
    const auto s = f.at("fold").get<size_t>();
    sum[s] += f.at("value").get<double>(), count[s] += 1;
  }
  for (size_t s = 0; s < splits; ++s) {
    if (count[s] == 0) return {};
    sum[s] /= count[s];
  }
  return sum;
}

double test_to_train(const eval::SplitPlan& plan) {
  double test = 0, train = 0;
  for (const auto& p : plan.parts) test += static_cast<double>(p.test.size()), train += static_cast<double>(p.train.size());
  return test / train;
}

Json comparisons_of(const MilOutcome& o, const std::vector<Json>& scored) {
  Json tests = Json::array();
  std::vector<double> p;
  const Json& headline = scored.front().at("metrics").at(0);
  const auto first = by_split(headline, o.plan.parts.size());
  for (size_t i = 1; i < o.arms.size(); ++i) {
    if (o.arms[i].protocol != "honest" || scored[i].is_null()) continue;
    const auto other = by_split(scored[i].at("metrics").at(0), o.plan.parts.size());
    if (first.size() < 2 || other.size() != first.size()) continue;
    Json test{{"a", o.arms.front().name}, {"b", o.arms[i].name}, {"metric", headline.at("name")}, {"test", "corrected_resampled_t"}};
    double difference = 0;
    for (size_t s = 0; s < first.size(); ++s) difference += (first[s] - other[s]) / static_cast<double>(first.size());
    test["difference"] = difference;
    try {
      const eval::TestResult r = eval::corrected_resampled_t(first, other, test_to_train(o.plan));
      test["statistic"] = r.statistic, test["p"] = r.p_value;
      p.push_back(r.p_value);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Numeric) throw;
      test["p"] = nullptr, test["why"] = e.what();
    }
    tests.push_back(std::move(test));
  }
  if (p.empty()) return tests;
  const auto adjusted = eval::holm(p);
  size_t k = 0;
  for (Json& test : tests)
    if (!test["p"].is_null()) test["p_adjusted"] = adjusted[k++], test["tests"] = p.size();
  return tests;
}

/// The names of what is said of a bag.
std::vector<std::string> columns_of(const MilOutcome& o) {
  const auto outcome = o.config.outcome();
  if (outcome == data::Outcome::Survival) return {"time", "event", "risk"};
  std::vector<std::string> names;
  const auto add = [&](const char* prefix, const std::vector<std::string>& of) {
    for (const auto& name : of) names.push_back(prefix + name);
  };
  if (outcome == data::Outcome::Class) {
    names = {"target", "prediction"};
    add("p_", o.inputs.set.classes);
  } else {
    add("true_", o.inputs.set.targets);
    add(outcome == data::Outcome::Flags ? "p_" : "predicted_", o.inputs.set.targets);
  }
  return names;
}

/// Row i of a prediction, under those names; unknown targets are empty.
std::vector<std::string> cells_of(const MilOutcome& o, const eval::Predictions& p, size_t i) {
  std::vector<std::string> cells;
  const auto add = [&](std::span<const double> values) {
    for (const double v : values) cells.push_back(std::isnan(v) ? "" : fmt::format("{}", v));
  };
  const auto row = static_cast<int64_t>(i);
  if (!p.risk.empty()) {
    add(std::array{p.time[i], static_cast<double>(p.target[i]), p.risk[i]});
  } else if (p.number_NT.cols > 0) {
    add(p.number_NT.row(row)), add(p.estimate_NT.row(row));
  } else {
    for (const int64_t c : {p.target[i], p.pred[i]}) cells.push_back(o.inputs.set.classes[static_cast<size_t>(c)]);
    add(p.prob_NC.row(row));
  }
  return cells;
}

}  // namespace

Json mil_results(const MilOutcome& o) {
  std::vector<Json> scored;
  for (const Arm& arm : o.arms) scored.push_back(arm.folds.empty() ? Json() : eval::score_folds(o.inputs.set, folds_of(arm), scoring_of(o)));
  EOSIN_CHECK(!scored.front().is_null(), Numeric, "[mil] no model of {} was finished: {}", o.arms.front().name,
              o.failures.empty() ? "" : o.failures.front().second);
  Json results{{"schema", "eosin-report-1"}, {"data", data_of(o)}, {"protocol", protocol_of(o)}};
  results.update(scored.front());
  results["models"] = Json::array();
  for (size_t i = 0; i < o.arms.size(); ++i)
    if (!scored[i].is_null()) results["models"].push_back(row_of(o.arms[i], scored[i]));
  results["comparisons"] = comparisons_of(o, scored);
  results["predictions"] = "predictions.csv";
  results["failures"] = Json::array();
  for (const auto& [key, reason] : o.failures) results["failures"].push_back({{"model", key}, {"message", reason}});
  results["notes"] = o.inputs.cohort.notes;
  for (const auto& note : o.plan.notes) results["notes"].push_back(note);
  if (const std::string unknown = unknown_targets(o.inputs.set); !unknown.empty())
    results["notes"].push_back(
        fmt::format("targets that are unknown of some of the {} bags, which count neither in their loss nor in their metrics: {}",
                    o.inputs.set.ids.size(), unknown));
  if (mil::uses_places(o.config.head) && !o.config.has_baseline(MilConfig::kShuffled))
    results["notes"].push_back(
        fmt::format("head {} uses the places of tiles: the baseline {} would show what they tell", o.config.head.name(), MilConfig::kShuffled));
  return results;
}

std::string mil_predictions(const MilOutcome& o) {
  const auto& set = o.inputs.set;
  std::vector<std::string> head = {"model", "protocol", "repeat", "fold", "seed", "patient", "bag"};
  for (auto& name : columns_of(o)) head.push_back(std::move(name));
  std::string text = csv_line(head);
  for (const Arm& arm : o.arms)
    for (const ArmFold& f : arm.folds) {
      const eval::Parts& parts = o.plan.parts[f.split];
      for (size_t i = 0; i < f.result.rows.size(); ++i) {
        const auto row = static_cast<size_t>(f.result.rows[i]);
        std::vector<std::string> cells = {arm.name,
                                          arm.protocol,
                                          std::to_string(parts.repeat),
                                          std::to_string(parts.fold),
                                          std::to_string(f.seed),
                                          set.groups[static_cast<size_t>(set.group[row])],
                                          set.ids[row]};
        for (auto& cell : cells_of(o, f.result.result.predictions, i)) cells.push_back(std::move(cell));
        text += csv_line(cells);
      }
    }
  return text;
}

}  // namespace eosin::apps
