#include "apps/verb.h"
#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/run_config.h"
#include "core/base/run_folder.h"
#include "core/tensor/device.h"
#include "data/tile_store.h"
#include "eval/evaluation.h"
#include "eval/report.h"
#include "eval/sgd_protocol.h"

#include <filesystem>
#include <set>

namespace eosin::apps {
namespace {

struct EvalConfig {
  std::string features, labels, store;
  std::vector<std::string> conditions;
  struct Columns {
    std::string id, label, group, site, split;
    std::vector<std::string> targets;
    void visit(config::Visitor& v) {
      v("id", id, "column of the labels that names features; empty: id, path, file, image, slide or slide_id");
      v("label", label, "column of the classes; empty: label, class or target");
      v("group", group, "column of the patients; empty: group, patient, patient_id, case or case_id");
      v("site", site, "column of the sites or scanners; empty: site, centre, center or hospital");
      v("targets", targets, "columns of numbers, for protocol ridge; empty: all columns that are none of the others", config::Length{0, 100000});
      v("split", split, "column of train, val, test; empty: split or part");
    }
  } columns;
  eval::EvaluationConfig evaluation;
  RunConfig run;

  EvalConfig() { run.dir = "runs/eval"; }
  void visit(config::Visitor& v) {
    v("features", features, "features file, or folder of one file a slide, as `eosin embed` writes them");
    v("labels", labels, "CSV of id (or path), label or numbers, group, site, split");
    v("store", store, "tile store whose own columns are the labels, instead of a CSV");
    v("conditions", conditions,
      "features of the same tiles by the same encoder under other conditions (embed stain.*, jpeg_quality, zoom, grayscale): what "
      "was fitted on `features` is scored on these too",
      config::Length{0, 100});
    v("columns", columns, "names of the columns of labels or store");
    evaluation.visit(v);
    v("run", run, "run folder, seed, threads");
  }
  void validate(config::Problems& p) const {
    if (features.empty()) p.add("features", "missing; give a features file or folder");
    if (labels.empty() == store.empty()) p.add("labels", "give either labels (a CSV) or store (its own columns)");
    if (!columns.targets.empty() && eval::labels_of(evaluation.protocol) != eval::LabelKind::Numbers)
      p.add("columns.targets", "are for protocol ridge; classes are columns.label");
    if (!conditions.empty() && eval::measures_all_rows(evaluation.protocol)) p.add("conditions", "are for protocols that are fitted");
    evaluation.validate(p);
  }
};

/// Names of the conditions: the last parts of their paths where these differ, else the paths.
std::vector<std::string> condition_names(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const auto& path : paths) {
    const std::filesystem::path p = std::filesystem::path(path).lexically_normal();
    names.push_back((p.has_filename() ? p : p.parent_path()).filename().string());
  }
  return std::set<std::string>(names.begin(), names.end()).size() == names.size() ? names : paths;
}

eval::LabelTable read_labels(const EvalConfig& c) {
  const eval::LabelColumns columns{c.columns.id, c.columns.label, c.columns.group, c.columns.site, c.columns.split, c.columns.targets};
  const eval::LabelKind kind = eval::labels_of(c.evaluation.protocol);
  return c.labels.empty() ? eval::read_labels(data::TileStore(c.store), columns, kind) : eval::read_labels(CsvTable::read(c.labels), columns, kind);
}

/// Heads that choose among tokens need to know where in a row these are; of files of other programs nobody knows.
void check_layout(const EvalConfig& c, const eval::FeatureTable& features) {
  const config::Choice& protocol = c.evaluation.protocol;
  if (protocol.name() != "linear_sgd" || protocol.as<eval::SgdProtocol>().inputs != "last4" || features.transform.empty()) return;
  EOSIN_CHECK(features.transform.find("pooling last4") != std::string::npos, Data,
              "[eval] protocol.inputs=last4 needs features of `eosin embed pooling=last4` ('{}' are of: {})", c.features, features.transform);
}

/// Row i is row i of the set that the plain features make with these labels.
std::vector<eval::Condition> read_conditions(const EvalConfig& c, const eval::FeatureTable& plain, const eval::LabelTable& labels) {
  const std::vector<std::string> names = condition_names(c.conditions);
  std::vector<eval::Condition> conditions;
  for (size_t i = 0; i < names.size(); ++i) {
    const eval::FeatureTable table = eval::read_feature_table(c.conditions[i]);
    EOSIN_CHECK(table.weights_sha256 == plain.weights_sha256 && table.features_ND.size(1) == plain.features_ND.size(1), Data,
                "[eval] the condition '{}' is of another encoder than the features (got '{}' of width {}, need '{}' of width {})", c.conditions[i],
                table.encoder, table.features_ND.size(1), plain.encoder, plain.features_ND.size(1));
    conditions.push_back({names[i], eval::join_labels(table, labels).features_ND});
  }
  return conditions;
}

int run(const Invocation& in) {
  EvalConfig c;
  config::read(in.source(), c, "eval");
  device::prepare(c.run);
  c.evaluation.seed = c.run.seed;
  if (in.dry_run) {
    const eval::FeatureTable features = eval::read_feature_table(c.features);
    check_layout(c, features);
    const eval::LabelTable labels = read_labels(c);
    const eval::LabelledSet set = eval::join_labels(features, labels);
    read_conditions(c, features, labels);
    print_result(in, {{"rows", set.ids.size()},
                      {"classes", set.classes.size()},
                      {"targets", set.targets.size()},
                      {"dim", set.features_ND.size(1)},
                      {"config", config::to_json(config::visit_of(c))}});
    return 0;
  }
  RunFolder folder(c.run.dir, config::visit_of(c), "eval", {in.fresh, in.resume_with_changes});
  return folder.record([&] {
    const eval::FeatureTable features = eval::read_feature_table(c.features);
    check_layout(c, features);
    const eval::LabelTable labels = read_labels(c);
    eval::Evaluation e = eval::evaluate(eval::join_labels(features, labels), c.evaluation, read_conditions(c, features, labels));
    e.results["data"]["encoder"] = {{"name", features.encoder}, {"weights_hash", features.weights_sha256}, {"transform", features.transform}};
    write_file(folder.path("predictions.csv"), e.predictions_csv);
    write_file(folder.path("results.json"), e.results.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    eval::write_report({folder.dir()}, folder.path("report.html"));
    print_result(in, {{"run_dir", folder.dir()}, {"metrics", eval::short_metrics(e.results)}, {"report", folder.path("report.html")}});
    return 0;
  });
}

}  // namespace

Verb eval_verb() {
  Verb verb;
  verb.name = "eval";
  verb.usage = "eval [CONFIG.yaml] [key=value ...]";
  verb.one_line = "a protocol on frozen features: metrics with intervals by patient, confusion matrix, report";
  verb.example = "eosin eval features=features labels=labels.csv protocol.name=linear run.dir=runs/linear";
  verb.run = run;
  verb.make_config = make_config<EvalConfig>();
  return verb;
}

}  // namespace eosin::apps
