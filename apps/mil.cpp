#include "apps/mil_arms.h"
#include "apps/mil_looks.h"
#include "apps/mil_results.h"
#include "apps/verb.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/progress_line.h"
#include "core/base/run_folder.h"
#include "core/base/sha256.h"
#include "core/tensor/device.h"
#include "core/tensor/safetensors.h"
#include "eval/model_card.h"
#include "eval/report.h"

#include <filesystem>
#include <memory>
#include <set>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;
using Failures = std::vector<std::pair<std::string, std::string>>;

/// Of the bags, what is said of them, and their mean features: models are resumed on the same data or not at all.
std::string digest(const MilInputs& in) {
  Sha256 hash;
  for (const auto& bag : in.cohort.bags) {
    hash.update(fmt::format("{}\n{}\n{}\n{} {}\n", bag.id, bag.patient, bag.label, bag.time, bag.event));
    for (const double v : bag.targets) hash.update(fmt::format("{}\n", v));
  }
  const Tensor x = in.set.features_ND.contiguous();
  hash.update({static_cast<const char*>(x.const_data_ptr()), x.nbytes()});
  return hash.hex();
}

void check_same_data(RunFolder& folder, const std::string& now) {
  const Json before = folder.noted_before("data_sha256");
  EOSIN_CHECK(before.is_null() || before == now, Data, "[{}] the cohort or its features changed since this run began; use --fresh for a new folder",
              folder.dir());
  folder.note("data_sha256", now);
}

mil::Grid grid_of(const MilConfig& c, const MilInputs& in, const std::vector<Arena>& arenas) {
  mil::Grid grid{*in.bags, {}, in.outcomes.label, c.train.fit, static_cast<uint64_t>(c.run.seed)};
  for (const Arena& arena : arenas) grid.folds.insert(grid.folds.end(), arena.folds.begin(), arena.folds.end());
  return grid;
}

/// Checked before the first model is trained.
struct Plan {
  std::unique_ptr<const MilInputs> inputs;  // where it is, for what refers to it
  eval::SplitPlan splits;
  std::vector<eval::AuditRow> audit;
  std::vector<std::string> violations;
  std::vector<Arena> arenas;
  std::vector<mil::Trial> trials;
};

/// Trains what has no record yet, or whose weights are to be looked through and are not there. False if a stop was asked for.
bool train(const MilConfig& c, const mil::Grid& grid, const Plan& plan, mil::TrialRecords& records, RunFolder& folder, Failures& failures) {
  std::vector<mil::Trial> trials = plan.trials;
  const auto all = static_cast<int64_t>(trials.size());
  const auto lacks_weights = [&](const mil::Trial& t) {
    return is_looked_through(c, plan.splits, t) && !std::filesystem::exists(weights_file(folder.dir(), t.key));
  };
  std::erase_if(trials, [&](const mil::Trial& t) { return records.find(t.key) != nullptr && !lacks_weights(t); });
  const int64_t done_before = (all - static_cast<int64_t>(trials.size())) * c.train.fit.epochs;
  if (done_before > 0) log::info("[mil] {} of {} models are finished", all - static_cast<int64_t>(trials.size()), all);
  ProgressLine line("mil", "model epochs", all * c.train.fit.epochs, done_before);
  mil::GridOptions options;
  options.threads = used_threads(c.run.threads);
  options.together = c.grid.together;
  options.checkpoints = folder.path("checkpoints"), options.checkpoint_s = 60 * c.grid.checkpoint_minutes;
  options.progress = [&](int64_t epochs, int64_t skipped) { line.add(epochs + skipped); };
  options.finished = [&](const mil::Trial& trial, const mil::TrialResult& result) {
    if (!result.failure.empty()) {
      folder.add_failure({trial.key, "train", result.failure});
      failures.emplace_back(trial.key, result.failure);
      return;
    }
    if (c.save_weights || is_looked_through(c, plan.splits, trial)) {
      std::filesystem::create_directories(folder.path("models"));
      write_safetensors(weights_file(folder.dir(), trial.key), result.weights);
    }
    records.add(trial.key, result);
  };
  return mil::train_grid(grid, trials, options);
}

Plan make_plan(const MilConfig& c) {
  Plan plan{std::make_unique<const MilInputs>(read_inputs(c)), {}, {}, {}, {}, {}};
  for (const auto& note : plan.inputs->cohort.notes) log::warn("[mil] {}", note);
  plan.splits = eval::make_splits(plan.inputs->set, eval::SplitRule::parse(c.splits), {c.seed_of_splits(), c.preserve_sites});
  for (const auto& note : plan.splits.notes) log::warn("[mil] {}", note);
  const bool binary = plan.inputs->outcomes.n_classes == 2;
  eval::check_parts(plan.splits, c.train.select != "last" || (binary && c.threshold == "validation"));
  if (c.outcome() == data::Outcome::Class) eval::check_classes_train(plan.inputs->set, plan.splits);
  plan.audit = eval::audit_splits(plan.inputs->set, plan.splits);
  plan.violations = eval::enforce(plan.audit, c.accept_leak);
  check_looks(c, *plan.inputs);
  plan.arenas = make_arenas(c, *plan.inputs, plan.splits);
  plan.trials = make_trials(c, plan.arenas);
  std::set<std::string> made;  // a head that cannot be is found before any is trained
  for (const mil::Trial& t : plan.trials)
    if (made.insert(t.head.name()).second) mil::make_head(t.head, {plan.inputs->bags->dim(), plan.arenas[0].folds[0].task->n_outputs()}, 0);
  return plan;
}

/// Of every row of the table the first metric: mean and deviation over folds, interval of the pooled predictions.
Json table_of(const Json& results) {
  Json rows = Json::object();
  for (const Json& model : results.at("models")) {
    const auto first = model.at("metrics").items().begin();
    const Json& m = first.value();
    const auto number = [&](const char* key) { return m.at(key).is_number() ? fmt::format("{:.3f}", m.at(key).get<double>()) : std::string("n/a"); };
    rows[fmt::format("{} ({})", model.at("name").get<std::string>(), model.at("protocol").get<std::string>())] =
        fmt::format("{} {} +- {}, interval {} to {}", first.key(), number("mean"), number("sd"), number("ci_low"), number("ci_high"));
  }
  return rows;
}

/// What the head looks at, into the run folder and the results.
void add_looks(const MilConfig& c, const Plan& plan, const Arm& head, const RunFolder& folder, Json& results) {
  Json looks = look_at_tiles(c, *plan.inputs, score_tiles(c, *plan.inputs, plan.splits, plan.arenas.front(), head, folder.dir()), folder.dir());
  for (auto& note : looks.at("notes")) results["notes"].push_back(std::move(note));
  looks.erase("notes");
  results.update(looks);
}

/// Means over slides.
Json localization_of(const Json& results) {
  Json all = results.value("localization", Json());
  if (all.is_object()) all.erase("by_slide");
  return all;
}

int finish(const Invocation& in, const MilConfig& c, const Plan& plan, const mil::TrialRecords& records, const Failures& failures,
           RunFolder& folder) {
  std::vector<Arm> arms = head_arms(c, *plan.inputs, plan.arenas, records);
  for (Arm& arm : feature_arms(c, *plan.inputs, plan.splits)) arms.push_back(std::move(arm));
  const MilOutcome outcome{c, *plan.inputs, plan.splits, plan.audit, plan.violations, plan.arenas, arms, failures};
  Json results = mil_results(outcome);
  if (looks_at_tiles(c)) add_looks(c, plan, arms.front(), folder, results);
  write_file(folder.path("predictions.csv"), mil_predictions(outcome));
  write_file(folder.path("results.json"), results.dump(1, ' ', false, Json::error_handler_t::replace));
  write_file(folder.path("model_card.md"), eval::model_card(eval::read_run(folder.dir())));
  eval::write_report({folder.dir()}, folder.path("report.html"));
  Json result{{"run_dir", folder.dir()},
              {"models", plan.trials.size()},
              {"failed", failures.size()},
              {"metrics", eval::short_metrics(results)},
              {"table", table_of(results)}};
  if (results.contains("localization")) result["localization"] = localization_of(results);
  result["heatmaps"] = results.value("heatmaps", Json::array()).size();
  result["report"] = folder.path("report.html");
  print_result(in, result);
  EOSIN_CHECK(failures.empty(), Numeric, "[mil] {} of {} models failed (the others are in the table); {}: {}", failures.size(), plan.trials.size(),
              failures.front().first, failures.front().second);
  return 0;
}

int run_mil(const Invocation& in) {
  MilConfig c;
  config::read(in.source(), c, "mil");
  c.run.device = "cpu";
  device::prepare(c.run);
  if (in.dry_run) {
    const Plan plan = make_plan(c);
    print_result(in, {{"bags", plan.inputs->set.ids.size()},
                      {"dim", plan.inputs->bags->dim()},
                      {"in_memory", plan.inputs->bags->resident()},
                      {"splits", plan.splits.parts.size()},
                      {"models", plan.trials.size()},
                      {"model_epochs", static_cast<int64_t>(plan.trials.size()) * c.train.fit.epochs},
                      {"config", config::to_json(config::visit_of(c))}});
    return 0;
  }
  RunFolder folder(c.run.dir, config::visit_of(c), "mil", {in.fresh, in.resume_with_changes, MilConfig::may_change()});
  return folder.record([&] {
    const Plan plan = make_plan(c);
    check_same_data(folder, digest(*plan.inputs));
    folder.note("cohort_sha256", sha256_file(c.cohort.empty() ? c.features : c.cohort));
    mil::TrialRecords records(folder.path("models.jsonl"));
    Failures failures;
    if (!train(c, grid_of(c, *plan.inputs, plan.arenas), plan, records, folder, failures)) {
      log::warn("[mil] stopped on request; the same command goes on");
      return kExitStopped;
    }
    return finish(in, c, plan, records, failures, folder);
  });
}

}  // namespace

Verb mil_verb() {
  Verb verb;
  verb.name = "mil";
  verb.usage = "mil [CONFIG.yaml] [key=value ...]";
  verb.one_line = "slide-level heads on bags of features: cross-validated predictions of patients beside baselines, with a report";
  verb.example = "eosin mil cohort=demo-cohort/cohort.csv features=demo-features splits=3fold train.epochs=20 run.dir=runs/mil";
  verb.run = run_mil;
  verb.make_config = make_config<MilConfig>();
  return verb;
}

}  // namespace eosin::apps
