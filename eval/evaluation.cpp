#include "eval/evaluation.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/sha256.h"
#include "eval/split.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

struct Split {
  std::vector<int64_t> train, test;
};

bool has_part(const LabelledSet& set, Part part) { return std::find(set.part.begin(), set.part.end(), static_cast<int64_t>(part)) != set.part.end(); }

std::vector<Split> splits_of(const LabelledSet& set, int64_t folds) {
  std::vector<Split> splits;
  const auto n = static_cast<int64_t>(set.ids.size());
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

std::string split_words(const LabelledSet& set, int64_t folds) {
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
  if (splits.size() == 1 && set.targets.empty()) balance = {{"train", count(splits[0].train)}, {"test", count(splits[0].test)}};
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

}  // namespace

void EvaluationConfig::visit(config::Visitor& v) {
  v("protocol", protocol, "what is fitted on the frozen features");
  ScoringConfig::visit(v);
  v("folds", folds, "folds by group where the labels have no split", config::Range{2, 100});
  v("accept_leak", accept_leak, "reasons why a split that leaks is evaluated all the same; shown in the report");
}

Evaluation evaluate(const LabelledSet& set, const EvaluationConfig& config) {
  EOSIN_ASSERT((labels_of(config.protocol) == LabelKind::Numbers) == !set.targets.empty());
  EOSIN_CHECK(set.classes.size() >= 2 || !set.targets.empty(), Data, "[eval] a single class cannot be told apart (got '{}')", set.classes.empty() ? "" : set.classes[0]);
  const std::vector<AuditRow> checks = audit(set);
  const std::vector<std::string> violations = enforce(checks, config.accept_leak);
  const std::vector<Split> splits = splits_of(set, config.folds);
  std::vector<FoldResult> folds;
  Json fits = Json::array();
  for (size_t f = 0; f < splits.size(); ++f) {
    folds.push_back({static_cast<int64_t>(f), splits[f].test, run_protocol(config.protocol, set.rows(splits[f].train), set.rows(splits[f].test))});
    fits.push_back(folds.back().result.fit);
  }
  Json results{{"schema", "eosin-report-1"}};
  results["data"] = data_of(set, splits);
  results["protocol"] = {{"name", config.protocol.name()},
                         {"kind", violations.empty() ? "honest" : "leaking"},
                         {"violations", violations},
                         {"unit", set.grouped ? "group" : set.unit},
                         {"split", {{"rule", split_words(set, config.folds)}, {"hash", split_hash(splits, set)}, {"folds", splits.size()}}},
                         {"seeds", {{"bootstrap", config.seed}}},
                         {"fit", fits.size() == 1 ? fits[0] : fits},
                         {"baselines", baselines_of(set, splits)},
                         {"audit", audit_json(checks)}};
  results.update(score_folds(set, folds, config));
  results["predictions"] = "predictions.csv";
  return {std::move(results), predictions_csv(set, folds)};
}

}  // namespace eosin::eval
