#include "eval/evaluation.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/sha256.h"
#include "eval/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

struct Split {
  std::vector<int64_t> train, test;
  std::string name = {};
};

bool has_part(const LabelledSet& set, Part part) { return std::find(set.part.begin(), set.part.end(), static_cast<int64_t>(part)) != set.part.end(); }

std::vector<Split> site_splits(const LabelledSet& set) {
  EOSIN_CHECK(set.sites.size() >= 2 && !set.site.empty(), Data,
              "[eval] hold_out=site needs the site of every row, and at least two (got {}); name their column as columns.site", set.sites.size());
  std::map<int64_t, int64_t> site_of;
  for (size_t i = 0; i < set.site.size(); ++i) {
    const int64_t site = site_of.emplace(set.group[i], set.site[i]).first->second;
    EOSIN_CHECK(site == set.site[i], Data, "[eval] group '{}' is at {} and at {}, so that it would train and test; leave one out",
                set.groups[set.group[i]], set.sites[site], set.sites[set.site[i]]);
  }
  std::vector<Split> splits(set.sites.size());
  for (size_t s = 0; s < splits.size(); ++s) {
    splits[s].name = set.sites[s];
    for (size_t i = 0; i < set.site.size(); ++i)
      (set.site[i] == static_cast<int64_t>(s) ? splits[s].test : splits[s].train).push_back(static_cast<int64_t>(i));
  }
  return splits;
}

std::vector<Split> splits_of(const LabelledSet& set, const EvaluationConfig& config) {
  std::vector<Split> splits;
  const auto n = static_cast<int64_t>(set.ids.size()), folds = config.folds;
  if (measures_all_rows(config.protocol)) {
    splits.emplace_back().test.resize(static_cast<size_t>(n));
    std::iota(splits[0].test.begin(), splits[0].test.end(), int64_t{0});
    return splits;
  }
  if (config.hold_out == "site") return site_splits(set);
  if (!set.part.empty()) {
    const bool test = has_part(set, Part::Test);
    EOSIN_CHECK(has_part(set, Part::Train) && (test || has_part(set, Part::Val)), Data, "[eval] the split needs train and val or test rows");
    const auto held = static_cast<int64_t>(test ? Part::Test : Part::Val);
    splits.emplace_back();
    for (int64_t i = 0; i < n; ++i) (set.part[i] == held ? splits[0].test : splits[0].train).push_back(i);
    return splits;
  }
  const Folds dealt = group_folds(set.target, set.group, std::max<int64_t>(1, static_cast<int64_t>(set.classes.size())), folds);
  splits.resize(static_cast<size_t>(folds));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t f = 0; f < folds; ++f) (dealt.fold[i] == f ? splits[f].test : splits[f].train).push_back(i);
  return splits;
}

std::string split_words(const LabelledSet& set, const EvaluationConfig& config) {
  const int64_t folds = config.folds;
  if (measures_all_rows(config.protocol)) return "none: all rows are measured together";
  if (config.hold_out == "site") return "every site tests once, predictions pooled";
  if (set.part.empty()) return fmt::format("{} folds by group, predictions pooled", folds);
  return has_part(set, Part::Test) ? "test of the labels; trained on train and val" : "val of the labels; trained on train";
}

std::string split_hash(const std::vector<Split>& splits, const LabelledSet& set) {
  Sha256 hash;
  for (size_t f = 0; f < splits.size(); ++f)
    for (int64_t i : splits[f].test) hash.update(fmt::format("{} {}\n", f, set.ids[i]));
  return hash.hex();
}

/// Share of the test rows that the most frequent training class gets right: what knowing nothing of the picture gives.
double majority_accuracy(const LabelledSet& set, const std::vector<Split>& splits) {
  double hits = 0, total = 0;
  for (const Split& split : splits) {
    std::vector<double> count(set.classes.size());
    for (int64_t i : split.train) count[set.target[i]] += 1;
    const int64_t most = argmax(count);
    for (int64_t i : split.test) hits += set.target[i] == most;
    total += static_cast<double>(split.test.size());
  }
  return hits / total;
}

/// Mean absolute error of the mean of the training rows, which knows nothing of the picture; mean over the targets.
double mean_mae(const LabelledSet& set, const std::vector<Split>& splits) {
  double sum = 0, total = 0;
  for (const Split& split : splits) {
    std::vector<double> mean(set.targets.size());
    for (size_t t = 0; t < mean.size(); ++t)
      for (int64_t i : split.train) mean[t] += set.number_NT(i, static_cast<int64_t>(t)) / static_cast<double>(split.train.size());
    for (int64_t i : split.test)
      for (size_t t = 0; t < mean.size(); ++t) sum += std::abs(set.number_NT(i, static_cast<int64_t>(t)) - mean[t]);
    total += static_cast<double>(split.test.size() * mean.size());
  }
  return sum / total;
}

Json baselines_of(const LabelledSet& set, const std::vector<Split>& splits) {
  if (splits[0].train.empty()) return Json::object();
  if (!set.targets.empty()) return {{"training_mean_mae", mean_mae(set, splits)}};
  return {{"majority_class_accuracy", majority_accuracy(set, splits)}};
}

Json data_of(const LabelledSet& set, const std::vector<Split>& splits) {
  Json balance = Json::object();
  const auto count = [&](const std::vector<int64_t>& rows) {
    Json by_class = Json::object();
    for (const auto& name : set.classes) by_class[name] = 0;
    for (int64_t i : rows) by_class[set.classes[set.target[i]]] = by_class[set.classes[set.target[i]]].get<int64_t>() + 1;
    return by_class;
  };
  if (splits.size() == 1 && set.targets.empty() && !splits[0].train.empty())
    balance = {{"train", count(splits[0].train)}, {"test", count(splits[0].test)}};
  return {{"rows", set.ids.size()},
          {"unit", set.unit},
          {"groups", set.grouped ? Json(set.groups.size()) : Json()},
          {"unlabelled", set.unlabelled},
          {"dim", set.features_ND.size(1)},
          {"labels", set.classes},
          {"targets", set.targets},
          {"balance", balance}};
}

/// Of numbers: each target's, then each estimate.
std::string numbers_csv(const LabelledSet& set, const std::vector<FoldResult>& folds) {
  std::vector<std::string> head = {"fold", "id", "group"};
  for (const char* what : {"true_", "predicted_"})
    for (const auto& name : set.targets) head.push_back(what + name);
  std::string text = csv_line(head);
  for (const FoldResult& f : folds)
    for (size_t i = 0; i < f.rows.size(); ++i) {
      const int64_t row = f.rows[i];
      std::vector<std::string> cells = {std::to_string(f.fold), set.ids[row], set.groups[set.group[row]]};
      for (const Matrix* m : {&f.result.predictions.number_NT, &f.result.predictions.estimate_NT})
        for (double v : m->row(static_cast<int64_t>(i))) cells.push_back(fmt::format("{}", v));
      text += csv_line(cells);
    }
  return text;
}

std::string predictions_csv(const LabelledSet& set, const std::vector<FoldResult>& folds) {
  if (!set.targets.empty()) return numbers_csv(set, folds);
  std::vector<std::string> head = {"fold", "id", "group", "target", "prediction"};
  for (const auto& name : set.classes) head.push_back("p_" + name);
  std::string text = csv_line(head);
  for (const FoldResult& f : folds)
    for (size_t i = 0; i < f.rows.size(); ++i) {
      const Predictions& p = f.result.predictions;
      const int64_t row = f.rows[i];
      std::vector<std::string> cells = {std::to_string(f.fold), set.ids[row], set.groups[set.group[row]], set.classes[p.target[i]],
                                        set.classes[p.pred[i]]};
      for (double v : p.prob_NC.row(static_cast<int64_t>(i))) cells.push_back(fmt::format("{}", v));
      text += csv_line(cells);
    }
  return text;
}

/// Fitted on the plain training rows of each split; the test rows have the features `tested_ND`. A fit is the same every time.
std::vector<FoldResult> predicted(const LabelledSet& set, const std::vector<Split>& splits, const EvaluationConfig& config, const Tensor& tested_ND) {
  LabelledSet tested = set;
  tested.features_ND = tested_ND;
  std::vector<FoldResult> folds;
  for (size_t f = 0; f < splits.size(); ++f)
    folds.push_back({static_cast<int64_t>(f),
                     splits[f].test,
                     run_protocol(config.protocol, set.rows(splits[f].train), tested.rows(splits[f].test)),
                     {},
                     splits[f].name});
  return folds;
}

}  // namespace

void EvaluationConfig::visit(config::Visitor& v) {
  v("protocol", protocol, "what is fitted on the frozen features");
  ScoringConfig::visit(v);
  v("folds", folds, "folds by group where the labels have no split", config::Range{2, 100});
  v("hold_out", hold_out, "group: the labels' split, or folds; site: every site or scanner tests once (columns.site)",
    config::OneOf{{"group", "site"}});
  v("accept_leak", accept_leak, "reasons why a split that leaks is evaluated all the same; shown in the report");
}

void EvaluationConfig::validate(config::Problems& p) const {
  ScoringConfig::validate(p);
  if (measures_all_rows(protocol) && hold_out == "site") p.add("hold_out", "is of protocols that are fitted; robustness measures all rows together");
}

Evaluation evaluate(const LabelledSet& given, const EvaluationConfig& config, const std::vector<Condition>& conditions) {
  LabelledSet set = given;
  if (measures_all_rows(config.protocol) || config.hold_out == "site") set.part.clear();  // there is no such split to audit
  EOSIN_ASSERT((labels_of(config.protocol) == LabelKind::Numbers) == !set.targets.empty());
  EOSIN_CHECK(set.classes.size() >= 2 || !set.targets.empty(), Data, "[eval] a single class cannot be told apart (got '{}')",
              set.classes.empty() ? "" : set.classes[0]);
  const std::vector<AuditRow> checks = audit(set);
  const std::vector<std::string> violations = enforce(checks, config.accept_leak);
  const std::vector<Split> splits = splits_of(set, config);
  const std::vector<FoldResult> folds = predicted(set, splits, config, set.features_ND);
  Json fits = Json::array();
  for (const FoldResult& f : folds) fits.push_back(f.result.fit);
  Json results{{"schema", "eosin-report-1"}};
  results["data"] = data_of(set, splits);
  results["protocol"] = {{"name", config.protocol.name()},
                         {"kind", violations.empty() ? "honest" : "leaking"},
                         {"violations", violations},
                         {"unit", set.grouped ? "group" : set.unit},
                         {"split", {{"rule", split_words(set, config)}, {"hash", split_hash(splits, set)}, {"folds", splits.size()}}},
                         {"seeds", {{"bootstrap", config.seed}}},
                         {"fit", fits.size() == 1 ? fits[0] : fits},
                         {"baselines", baselines_of(set, splits)},
                         {"audit", audit_json(checks)}};
  results.update(score_folds(set, folds, config));
  if (!conditions.empty()) {
    std::vector<ConditionFolds> under;
    for (const Condition& c : conditions) under.push_back({c.name, predicted(set, splits, config, c.features_ND)});
    results["conditions"] = score_conditions(set, folds, under, config);
  }
  results["predictions"] = "predictions.csv";
  return {std::move(results), predictions_csv(set, folds)};
}

}  // namespace eosin::eval
