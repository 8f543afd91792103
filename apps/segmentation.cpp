// `eosin segmentation`: label maps of one folder beside the truth in another.
#include "apps/verb.h"
#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/run_config.h"
#include "core/base/run_folder.h"
#include "eval/report.h"
#include "eval/scoring.h"
#include "eval/segmentation_scores.h"

#include <fmt/format.h>

#include <map>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

struct SegmentationConfig {
  std::string truth, pred, kind = "instances", groups;
  double match_iou = 0.5;
  int64_t num_classes = 2, bootstrap = 1000;
  RunConfig run;

  SegmentationConfig() { run.dir = "runs/segmentation"; }
  void visit(config::Visitor& v) {
    v("truth", truth, "folder of label maps: grey PNG of 8 or 16 bits, or .npy of whole numbers; 0 is background");
    v("pred", pred, "folder of the predicted ones, of the same names");
    v("kind", kind, "what labels are: instances, or classes of the pixels", config::OneOf{{"instances", "classes"}});
    v("match_iou", match_iou, "instances match above this intersection over union", config::Range{0, 1, config::kOpenHigh});
    v("num_classes", num_classes, "of kind classes, background counted", config::Range{2, 65536});
    v("groups", groups, "CSV of id and group (patient), whose pictures are resampled together; empty: every picture by itself");
    v("bootstrap", bootstrap, "resamples for an interval", config::Range{2, 1e6});
    v("run", run, "run folder, seed");
  }
  void validate(config::Problems& p) const {
    if (truth.empty()) p.add("truth", "missing; give a folder");
    if (pred.empty()) p.add("pred", "missing; give a folder");
  }
};

/// The group of each picture, by its id in the table.
void add_groups(const std::string& path, eval::LabelledSet& set) {
  set.groups = set.ids;
  for (size_t i = 0; i < set.ids.size(); ++i) set.group.push_back(static_cast<int64_t>(i));
  if (path.empty()) return;
  const CsvTable table = CsvTable::read(path);
  const auto id = table.choose("", {"id", "path", "file", "image"}), group = table.choose("", {"group", "patient", "patient_id", "case", "case_id"});
  EOSIN_CHECK(id && group, Data, "[{}] needs a column of ids and one of groups (has {})", path, fmt::join(table.header(), ", "));
  std::map<std::string, std::string> group_of;
  for (size_t i = 0; i < table.size(); ++i) group_of[table.row(i)[*id]] = table.row(i)[*group];
  std::map<std::string, int64_t> number;
  set.groups.clear();
  for (size_t i = 0; i < set.ids.size(); ++i) {
    const auto it = group_of.find(set.ids[i]);
    EOSIN_CHECK(it != group_of.end(), Data, "[{}] there is no group of '{}'", path, set.ids[i]);
    const auto [place, fresh] = number.emplace(it->second, static_cast<int64_t>(set.groups.size()));
    if (fresh) set.groups.push_back(it->second);
    set.group[i] = place->second;
  }
  set.grouped = true;
}

std::string pictures_csv(const eval::SegmentationScores& s) {
  std::vector<std::string> head = {"id"};
  for (const auto& m : s.measures) head.push_back(m.name);
  std::string text = csv_line(head);
  for (size_t i = 0; i < s.ids.size(); ++i) {
    std::vector<std::string> cells = {s.ids[i]};
    for (const auto& m : s.measures)
      cells.push_back(m.per.empty() || m.per[i] > 0 ? fmt::format("{}", m.value[i] / (m.per.empty() ? 1 : m.per[i])) : "");
    text += csv_line(cells);
  }
  return text;
}

Json results_of(const SegmentationConfig& c, const eval::SegmentationScores& s) {
  eval::LabelledSet set;
  set.ids = s.ids;
  set.unit = "picture";
  add_groups(c.groups, set);
  eval::FoldResult all;
  for (size_t i = 0; i < s.ids.size(); ++i) all.rows.push_back(static_cast<int64_t>(i));
  all.result.measures = s.measures;
  eval::ScoringConfig scoring;
  scoring.metrics.clear();
  scoring.bootstrap = c.bootstrap;
  scoring.seed = c.run.seed;
  Json results{{"schema", "eosin-report-1"},
               {"data", {{"pictures", s.ids.size()}, {"groups", set.grouped ? Json(set.groups.size()) : Json()}, {"left_out_empty", s.empty}}},
               {"protocol", {{"name", "segmentation of " + c.kind}, {"kind", "honest"}, {"unit", set.grouped ? "group" : set.unit}}}};
  results.update(eval::score_folds(set, {all}, scoring));
  return results;
}

int run(const Invocation& in) {
  SegmentationConfig c;
  config::read(in.source(), c, "segmentation");
  const std::vector<eval::MapPair> maps = eval::pair_label_maps(c.truth, c.pred);
  if (in.dry_run) {
    print_result(in, {{"pictures", maps.size()}, {"config", config::to_json(config::visit_of(c))}});
    return 0;
  }
  RunFolder folder(c.run.dir, config::visit_of(c), "segmentation", {in.fresh, in.resume_with_changes});
  return folder.record([&] {
    const eval::SegmentationScores scores = c.kind == "classes" ? eval::score_classes(maps, c.num_classes) : eval::score_instances(maps, c.match_iou);
    const Json results = results_of(c, scores);
    write_file(folder.path("pictures.csv"), pictures_csv(scores));
    write_file(folder.path("results.json"), results.dump(1, ' ', false, Json::error_handler_t::replace));
    eval::write_report({folder.dir()}, folder.path("report.html"));
    print_result(in, {{"run_dir", folder.dir()},
                      {"pictures", scores.ids.size()},
                      {"metrics", eval::short_metrics(results)},
                      {"report", folder.path("report.html")}});
    return 0;
  });
}

}  // namespace

Verb segmentation_verb() {
  Verb verb;
  verb.name = "segmentation";
  verb.usage = "segmentation [CONFIG.yaml] [key=value ...]";
  verb.one_line = "label maps beside their truth: panoptic quality, Jaccard index, Dice, IoU, with intervals by patient";
  verb.example = "eosin segmentation truth=labels pred=predicted run.dir=runs/nuclei";
  verb.run = run;
  verb.make_config = make_config<SegmentationConfig>();
  return verb;
}

}  // namespace eosin::apps
