#include "apps/mil_arms.h"

#include "core/base/error.h"
#include "eval/protocol.h"
#include "mil/heads.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace eosin::apps {
namespace {

struct NamedHead {
  config::Choice head;
  std::string kind;
  bool shuffled = false;

  std::string name() const { return shuffled ? head.name() + " with shuffled coordinates" : head.name(); }
  /// In the key of a model.
  std::string key() const { return shuffled ? head.name() + "-shuffled" : head.name(); }
};

bool is_head(const std::string& name) {
  const auto& table = mil::head_table();
  return std::any_of(table.begin(), table.end(), [&](const auto& row) { return row.name == name; });
}

/// The config's head, those beside it, and the baselines among them; no name twice.
std::vector<NamedHead> heads_of(const MilConfig& c) {
  std::vector<NamedHead> heads = {{c.head, "head"}};
  const auto add = [&](const std::string& name, const char* kind) {
    const bool known = std::any_of(heads.begin(), heads.end(), [&](const NamedHead& h) { return h.head.name() == name; });
    if (is_head(name) && !known) heads.push_back({config::Choice(mil::head_table(), name), kind});
  };
  for (const auto& name : c.grid.heads) add(name, "head");
  for (const auto& name : c.baselines) add(name, "baseline");
  if (c.has_baseline(MilConfig::kShuffled)) heads.push_back({c.head, "baseline", true});
  return heads;
}

/// What makes a model another one, beside what its key says.
std::string identity(const MilConfig& c) {
  MilConfig copy = c;
  return config::hash(config::visit_of(copy), {"run.dir", "run.name", "run.device", "run.threads", "grid", "baselines", "memory_gib", "metrics",
                                               "bootstrap", "interval", "accept_leak", "save_weights", "threshold", "protocol", "heatmaps"})
      .substr(0, 8);
}

/// All models of one head in one split by one seed: what validation chooses among.
std::vector<mil::Trial> candidates(const MilConfig& c, const NamedHead& head, const std::string& protocol, size_t split, size_t fold, int64_t seed) {
  const std::string id = identity(c);
  std::vector<mil::Trial> trials;
  for (const double lr : c.learning_rates())
    for (const double wd : c.weight_decays()) {
      const std::string key = fmt::format("{}-{}-split{}-seed{}-lr{}-wd{}-{}", head.key(), protocol, split, seed, lr, wd, id);
      trials.push_back({key, head.head, fold, static_cast<uint64_t>(c.run.seed + seed), lr, wd, head.shuffled});
    }
  return trials;
}

/// What is known of targets, and no estimate yet.
eval::Predictions targets_of(const MilInputs& in, const std::vector<int64_t>& rows) {
  eval::Predictions p;
  const auto n = static_cast<int64_t>(rows.size());
  p.flags = in.cohort.outcome == data::Outcome::Flags;
  p.target.assign(rows.size(), 0);
  p.number_NT = p.estimate_NT = eval::Matrix(n, in.set.number_NT.cols);
  for (int64_t i = 0; i < n; ++i) std::ranges::copy(in.set.number_NT.row(rows[static_cast<size_t>(i)]), p.number_NT.row(i).begin());
  return p;
}

eval::Predictions predictions_of(const MilInputs& in, const std::vector<int64_t>& rows, const Tensor& answers_MC, std::optional<double> threshold) {
  eval::Predictions p;
  const Tensor x = answers_MC.to(at::kDouble).contiguous();
  const double* values = x.const_data_ptr<double>();
  if (!in.outcomes.targets.empty()) {
    p = targets_of(in, rows);
    std::copy_n(values, x.numel(), p.estimate_NT.values.begin());
    return p;
  }
  if (in.outcomes.n_classes == 0) {
    p.num_classes = 2;
    p.risk.assign(values, values + x.numel());
    for (const int64_t i : rows) {
      p.target.push_back(in.outcomes.event[static_cast<size_t>(i)]);
      p.time.push_back(in.outcomes.time[static_cast<size_t>(i)]);
    }
    return p;
  }
  p.num_classes = in.outcomes.n_classes;
  p.prob_NC = eval::Matrix(x.size(0), x.size(1));
  std::copy_n(values, x.numel(), p.prob_NC.values.begin());
  for (const int64_t i : rows) p.target.push_back(in.outcomes.label[static_cast<size_t>(i)]);
  p.pred = eval::argmax_rows(p.prob_NC);
  for (size_t i = 0; i < p.pred.size() && threshold; ++i) p.pred[i] = p.prob_NC(static_cast<int64_t>(i), 1) >= *threshold;
  return p;
}

/// Of the models that are finished the one with the best validation, the first of equal ones.
struct Chosen {
  const mil::Trial* trial = nullptr;
  const mil::TrialResult* result = nullptr;
};
Chosen best_of(const std::vector<mil::Trial>& trials, const mil::TrialRecords& records) {
  Chosen best;
  for (const mil::Trial& t : trials) {
    const mil::TrialResult* r = records.find(t.key);
    if (r && (!best.result || r->score > best.result->score)) best = {&t, r};
  }
  return best;
}

/// The median risk of the validation part, for groups of high and low risk that no test bag had a say in.
std::optional<double> risk_cut(const MilInputs& in, const Tensor& val_M1) {
  if (in.cohort.outcome != data::Outcome::Survival || !val_M1.defined()) return std::nullopt;
  return val_M1.select(1, 0).to(at::kDouble).quantile(0.5).item<double>();
}

Arm head_arm(const MilConfig& c, const MilInputs& in, const Arena& arena, const NamedHead& head, const mil::TrialRecords& records) {
  Arm arm{head.name(), head.kind, arena.protocol, {}};
  for (size_t s = 0; s < arena.folds.size(); ++s)
    for (int64_t seed = 0; seed < c.grid.seeds; ++seed) {
      const auto trials = candidates(c, head, arena.protocol, s, s, seed);
      const Chosen best = best_of(trials, records);
      if (!best.result) continue;
      const mil::Fold& fold = arena.folds[s];
      const auto threshold = threshold_of(arena, in, fold, best.result->val_MC);
      ArmFold& f = arm.folds.emplace_back();
      f.split = s, f.seed = best.trial->seed, f.key = best.trial->key;
      f.result.fold = static_cast<int64_t>(s), f.result.rows = fold.test;
      f.result.result.predictions = predictions_of(in, fold.test, best.result->test_MC, threshold);
      f.fit = {{"lr", best.trial->lr}, {"weight_decay", best.trial->weight_decay}, {"epoch", best.result->epoch}, {"epochs", best.result->epochs}};
      if (threshold) f.fit["threshold"] = *threshold;
      f.result.risk_cut = risk_cut(in, best.result->val_MC);
    }
  return arm;
}

/// From training and test rows to a prediction.
using Fit = std::function<eval::ProtocolResult(const std::vector<int64_t>& train, const std::vector<int64_t>& test)>;

Arm feature_arm(const std::string& name, const eval::SplitPlan& plan, const Fit& fit) {
  Arm arm{name, "baseline", "honest", {}};
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const eval::Parts& parts = plan.parts[s];
    std::vector<int64_t> train = parts.train;  // nothing is chosen on validation, which therefore trains
    train.insert(train.end(), parts.val.begin(), parts.val.end());
    ArmFold& f = arm.folds.emplace_back();
    f.split = s;
    f.result = {static_cast<int64_t>(s), parts.test, fit(train, parts.test)};
    f.fit = f.result.result.fit;
  }
  return arm;
}

Fit fit_classes(const config::Choice& protocol, const eval::LabelledSet& set) {
  return [&set, protocol](const auto& train, const auto& test) { return eval::run_protocol(protocol, set.rows(train), set.rows(test)); };
}

/// One target of these rows; flags as two classes.
eval::LabelledSet of_target(const eval::LabelledSet& set, std::vector<int64_t> rows, int64_t t, bool flags, bool only_known) {
  if (only_known) std::erase_if(rows, [&](int64_t i) { return std::isnan(set.number_NT(i, t)); });
  eval::LabelledSet one = set.rows(rows);
  std::vector<double> column;
  for (int64_t i = 0; i < one.number_NT.rows; ++i) column.push_back(one.number_NT(i, t));
  one.targets = {set.targets[static_cast<size_t>(t)]};
  one.number_NT = eval::Matrix(static_cast<int64_t>(rows.size()), 1);
  one.number_NT.values = column;
  if (!flags) return one;
  one.classes = {"0", "1"};
  one.target.clear();
  for (const double v : column) one.target.push_back(v == 1);
  one.targets.clear(), one.number_NT = {};
  return one;
}

/// A model a target, on the rows that know it.
Fit fit_targets(const config::Choice& protocol, const MilInputs& in, const eval::LabelledSet& set) {
  return [&in, &set, protocol](const auto& train, const auto& test) {
    eval::ProtocolResult all;
    all.predictions = targets_of(in, test);
    const bool flags = all.predictions.flags;
    for (int64_t t = 0; t < set.number_NT.cols; ++t) {
      const auto one = eval::run_protocol(protocol, of_target(set, train, t, flags, true), of_target(set, test, t, flags, false));
      for (size_t i = 0; i < test.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        all.predictions.estimate_NT(row, t) = flags ? one.predictions.prob_NC(row, 1) : one.predictions.estimate_NT(row, 0);
      }
      all.fit[set.targets[static_cast<size_t>(t)]] = one.fit;
    }
    return all;
  };
}

config::Choice knn(const eval::SplitPlan& plan) {
  config::Choice choice(eval::protocols(), "knn");
  auto& config = dynamic_cast<config::ConfigOf<eval::KnnProtocol>&>(choice.config()).value;
  for (const auto& parts : plan.parts) config.k = std::min(config.k, static_cast<int64_t>(parts.train.size() + parts.val.size()));
  return choice;
}

}  // namespace

std::vector<mil::Trial> make_trials(const MilConfig& c, const std::vector<Arena>& arenas) {
  std::vector<mil::Trial> all;
  size_t first = 0;
  for (const Arena& arena : arenas) {
    for (const NamedHead& head : heads_of(c))
      for (size_t s = 0; s < arena.folds.size(); ++s)
        for (int64_t seed = 0; seed < c.grid.seeds; ++seed)
          for (auto& t : candidates(c, head, arena.protocol, s, first + s, seed)) all.push_back(std::move(t));
    first += arena.folds.size();
  }
  return all;
}

std::vector<Arm> head_arms(const MilConfig& c, const MilInputs& in, const std::vector<Arena>& arenas, const mil::TrialRecords& records) {
  std::vector<Arm> arms;
  for (const NamedHead& head : heads_of(c))
    for (const Arena& arena : arenas) arms.push_back(head_arm(c, in, arena, head, records));
  return arms;
}

std::vector<Arm> feature_arms(const MilConfig& c, const MilInputs& in, const eval::SplitPlan& plan) {
  std::vector<Arm> arms;
  if (c.outcome() == data::Outcome::Survival) return arms;
  const bool classes = c.outcome() == data::Outcome::Class;
  const config::Choice linear(eval::protocols(), c.outcome() == data::Outcome::Numbers ? "ridge" : "linear");
  const auto fit = [&](const config::Choice& protocol, const eval::LabelledSet& set) {
    return classes ? fit_classes(protocol, set) : fit_targets(protocol, in, set);
  };
  if (c.has_baseline("linear")) arms.push_back(feature_arm(linear.name() + " on mean features", plan, fit(linear, in.set)));
  if (c.has_baseline("knn") && classes) arms.push_back(feature_arm("knn on mean features", plan, fit(knn(plan), in.set)));
  if (in.clinical_BD.defined()) {
    eval::LabelledSet clinical = in.set;
    clinical.features_ND = in.clinical_BD;
    arms.push_back(feature_arm("clinical columns alone", plan, fit(linear, clinical)));
  }
  return arms;
}

}  // namespace eosin::apps
