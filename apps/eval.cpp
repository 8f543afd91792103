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

namespace eosin::apps {
namespace {

struct EvalConfig {
  std::string features, labels, store;
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
    v("columns", columns, "names of the columns of labels or store");
    evaluation.visit(v);
    v("run", run, "run folder, seed, threads");
  }
  void validate(config::Problems& p) const {
    if (features.empty()) p.add("features", "missing; give a features file or folder");
    if (labels.empty() == store.empty()) p.add("labels", "give either labels (a CSV) or store (its own columns)");
    if (!columns.targets.empty() && eval::labels_of(evaluation.protocol) != eval::LabelKind::Numbers)
      p.add("columns.targets", "are for protocol ridge; classes are columns.label");
    evaluation.validate(p);
  }
};

eval::LabelledSet read_set(const EvalConfig& c, const eval::FeatureTable& features) {
  const eval::LabelColumns columns{c.columns.id, c.columns.label, c.columns.group, c.columns.site, c.columns.split, c.columns.targets};
  const eval::LabelKind kind = eval::labels_of(c.evaluation.protocol);
  return eval::join_labels(features, c.labels.empty() ? eval::read_labels(data::TileStore(c.store), columns, kind)
                                                      : eval::read_labels(CsvTable::read(c.labels), columns, kind));
}

int run(const Invocation& in) {
  EvalConfig c;
  config::read(in.source(), c, "eval");
  device::prepare(c.run);
  c.evaluation.seed = c.run.seed;
  if (in.dry_run) {
    const eval::LabelledSet set = read_set(c, eval::read_feature_table(c.features));
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
    eval::Evaluation e = eval::evaluate(read_set(c, features), c.evaluation);
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
