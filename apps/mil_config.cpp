#include "apps/mil_config.h"

#include "apps/mil_protocol.h"
#include "core/base/error.h"
#include "eval/split_plan.h"
#include "mil/heads.h"
#include "mil/task.h"

#include <algorithm>
#include <set>

namespace eosin::apps {
namespace {

std::vector<std::string> names_of(const std::vector<config::ConfigRow>& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.push_back(row.name);
  return names;
}

std::vector<std::string> protocol_names() {
  std::vector<std::string> names = {"honest"};
  for (const auto& p : paper_protocols()) names.push_back(p.name);
  return names;
}

bool is_file_of_splits(const std::string& splits) {
  try {
    return eval::SplitRule::parse(splits).kind == eval::SplitRule::Kind::File;
  } catch (const Error&) {
    return false;  // said of `splits` itself
  }
}

void check_heads(config::Problems& p, const char* key, const std::vector<std::string>& given, std::vector<std::string> known) {
  for (const auto& name : given) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = config::nearest(name, known);
    p.add(key, fmt::format("unknown name '{}' (need one of: {}){}", name, fmt::join(known, ", "), near ? "; did you mean '" + *near + "'?" : ""));
  }
}

}  // namespace

MilConfig::MilConfig() : head(mil::head_table(), "abmil"), task(mil::task_table(), "classes") {
  run.dir = "runs/mil";
  scoring.metrics.emplace_back("c_index");
}

void MilConfig::Train::visit(config::Visitor& v) {
  fit.visit(v);
  v("select", select, "what chooses a model's epoch, and among grid.lr and grid.weight_decay, on the validation part",
    config::OneOf{{"val_loss", "val_auroc", "val_balanced_accuracy", "val_c_index", "last"}});
  v("sampling", sampling, "the bags of an epoch: natural is each once; class_balanced draws as many with replacement, every class alike (CLAM)",
    config::OneOf{{"natural", "class_balanced"}});
  v("patience", patience, "epochs without a better validation after which a model stops; 0: never", config::Range{0, 1e6});
  v("min_epochs", min_epochs, "epochs before which no model stops", config::Range{0, 1e6});
}

void MilConfig::Grid::visit(config::Visitor& v) {
  v("heads", heads, "further heads, with their default settings, beside `head`");
  v("lr", lr, "learning rates, of which validation chooses in every split; empty: optim.lr", config::Range{0, 1e3, config::kOpenLow});
  v("weight_decay", weight_decay, "the same of weight decay; empty: optim.weight_decay", config::Range{0, 1e3});
  v("seeds", seeds, "models of every kind and split that differ in initial weights and draws", config::Range{1, 1000});
  v("together", together, "models that share one reading of the bags and are in memory at a time", config::Range{1, 1e6});
  v("checkpoint_minutes", checkpoint_minutes, "between two savings of the models in work; 0: after every epoch", config::Range{0, 1e6});
}

void MilConfig::Heatmaps::visit(config::Visitor& v) {
  v("count", count, "bags painted by a model that has not seen them: of every class in turn the surest and the least sure; 0: none",
    config::Range{0, 1e9});
  v("slides", slides, "paint these slides instead");
  v("class", of_class, "whose scores are shown where the head tells classes apart; empty: the predicted class");
  v("score", score, "of the tiles: auto is what tells classes apart, if the head has it, else attention",
    config::OneOf{{"auto", "attention", "logits"}});
  v("files", files, "where the slides are, as `eosin tile slides=` takes them; empty: the cohort's column path, if it has one");
  v("thumbnails", thumbnails, "folder of pictures of whole slides, <slide>.png or .jpg, to paint on where there is no slide file");
  v("longest_px", longest_px, "longest side of a heat map", config::Range{64, 16384});
  v("top_tiles", top_tiles, "highest tiles listed of each of the four surest bags of every class; 0: none", config::Range{0, 64});
  v("masks", masks, "known regions to compare the scores with, e.g. masks/{slide}_tumour.png: pictures of the whole slide, not black inside");
  v("min_inside", min_inside, "share of a tile that lies in the region from which the tile counts as inside", config::Range{0, 1, config::kOpenLow});
}

void MilConfig::Heatmaps::validate(config::Problems& p) const {
  if (!masks.empty() && masks.find("{slide}") == std::string::npos) p.add("masks", "must have {slide} where a slide's name belongs");
}

void MilConfig::visit(config::Visitor& v) {
  v("cohort", cohort, "CSV of one row a slide: slide, patient, site, and label, time and event, or targets");
  v("features", features, "folder of one file a slide (TRIDENT and CLAM .h5, CLAM .pt, `eosin embed`), or a .mat bag set, which carries its labels");
  v("target", target, "column of the classes; empty: label, class or target");
  v("classes", classes, "classes that may occur, in their order (ordinal needs it); empty: those that do, in name order");
  v("targets", targets,
    "columns that task regression (numbers) or multi_label (0 and 1) learns, all in one model; a bag may lack some: an empty cell");
  v("level", level, "what a bag is: a slide, or all slides of a patient", config::OneOf{{"slide", "patient"}});
  v("columns", columns, "names of the cohort's other columns");
  v("skip_empty", skip_empty, "leave out slides without tiles, and say so, instead of an error");
  v("nonfinite", nonfinite, "a tile with a feature that is not finite ends the run, or is left out and counted",
    config::OneOf{{"error", "drop_tile"}});
  v("memory_gib", memory_gib, "features are kept in memory if they fit into so much, else read again in every epoch, a gigabyte at a time",
    config::Range{0, 1e6, config::kOpenLow});
  v("standardize", standardize, "features by mean and deviation of the training bags' tiles", config::OneOf{{"none", "train"}});
  v("head", head, "the head, see eosin list mil");
  v("task", task, "what it is trained for");
  v("baselines", baselines,
    "heads with default settings; on the bags' mean features linear (logistic regression; of numbers ridge) and knn (of classes); shuffled_coords: "
    "`head` on tiles that have changed places");
  v("train", train, "length, selection, early stopping");
  v("optim", train.fit.optim, "update rule and its rates");
  v("schedule", train.fit.schedule, "learning rate over a model's steps");
  v("grid", grid, "many models in one pass");
  v("splits", splits, "5fold, 5x10fold, 10x80/10/10, site_out, 8shot, 5x8shot, or a CSV or folder of splits (docs/formats.md)");
  v("preserve_sites", preserve_sites, "folds hold whole sites");
  v("split_seed", split_seed, "of the splits; absent: run.seed");
  v("protocol", protocol, "honest, or beside it a protocol of papers, most of which look at the test part (eosin list protocol)");
  v("threshold", threshold, "from which probability of the second of two classes it is predicted: chosen on validation (Youden), or 0.5",
    config::OneOf{{"validation", "half"}});
  v("accept_leak", accept_leak, "reasons why splits that leak are used all the same; shown in the report");
  v("save_weights", save_weights, "keep every model's weights in the run folder, models/*.safetensors");
  scoring.visit(v);
  v("heatmaps", heatmaps, "what the head looks at: pictures, GeoJSON, highest tiles");
  v("run", run, "run folder, seed, threads");
}

void MilConfig::validate(config::Problems& p) const {
  const bool mat = features.ends_with(".mat");
  if (features.empty()) p.add("features", "missing; give a folder of features or a .mat bag set");
  if (!features.empty() && mat != cohort.empty()) p.add("cohort", mat ? "a .mat bag set carries its own labels" : "missing; give a CSV");
  const bool classes_asked = outcome() == data::Outcome::Class,
             columns_asked = outcome() == data::Outcome::Numbers || outcome() == data::Outcome::Flags;
  if (columns_asked && targets.empty()) p.add("targets", fmt::format("missing; name the columns that task {} learns", task.name()));
  if (!columns_asked && !targets.empty()) p.add("targets", fmt::format("is for tasks regression and multi_label (got {})", task.name()));
  if (std::set<std::string>(targets.begin(), targets.end()).size() < targets.size()) p.add("targets", "names a column twice");
  if (!classes_asked && !(target.empty() && classes.empty()))
    p.add(target.empty() ? "classes" : "target", fmt::format("is for classes, and task {} has none", task.name()));
  if (mat && (!classes_asked || level == "patient")) p.add("features", "a .mat bag set has two classes and no patients");
  const auto protocols = protocol_names();
  if (std::find(protocols.begin(), protocols.end(), protocol) == protocols.end()) check_heads(p, "protocol", {protocol}, protocols);
  for (const auto& paper : paper_protocols())
    if (paper.name == protocol && !paper.splits.empty() && splits != paper.splits && !is_file_of_splits(splits))
      p.add("splits", fmt::format("protocol {} draws {} (got {}); set that, or name files of splits", protocol, paper.splits, splits));
  auto heads = names_of(mil::head_table());
  check_heads(p, "grid.heads", grid.heads, heads);
  heads.insert(heads.end(), {"linear", "knn", kShuffled});
  check_heads(p, "baselines", baselines, heads);
  if (has_baseline(kShuffled) && !mil::uses_places(head))
    p.add("baselines", fmt::format("{} asks what places tell, and head {} uses neither coordinates nor the order of tiles", kShuffled, head.name()));
  if (mat && nonfinite != "error") p.add("nonfinite", "drop_tile is for a folder of features; a .mat bag set must be finite");
  if (!classes_asked && train.sampling != "natural") p.add("train.sampling", "class_balanced is for classes");
  try {
    eval::SplitRule::parse(splits);
  } catch (const Error& e) {
    p.add("splits", e.what());
  }
  if (train.select == "last" && learning_rates().size() * weight_decays().size() > 1)
    p.add("train.select", "last cannot choose among several grid.lr and grid.weight_decay");
  const bool survival = outcome() == data::Outcome::Survival;
  if (!classes_asked && (train.select == "val_auroc" || train.select == "val_balanced_accuracy"))
    p.add("train.select", fmt::format("is for classes; use val_loss, {}last", survival ? "val_c_index, " : ""));
  if (!survival && train.select == "val_c_index") p.add("train.select", "val_c_index is for survival");
  if (!classes_asked && protocol != "honest") p.add("protocol", "the papers' protocols are for classes");
  if (task.name() == "cox" && train.fit.batch_size < 2) p.add("train.batch_size", "task cox compares the bags of a step (got 1, need at least 2)");
  if (run.device.starts_with("cuda")) p.add("run.device", "mil trains on the CPU (need cpu or auto)");
  try {
    eval::fitting(scoring.metrics, survival ? "risks" : outcome() == data::Outcome::Numbers ? "numbers" : "predictions");
  } catch (const Error& e) {
    p.add("metrics", e.what());
  }
}

std::vector<std::string> MilConfig::may_change() {
  std::vector<std::string> keys = {"memory_gib", "grid.together", "grid.checkpoint_minutes"};
  for (const char* key : {"count", "slides", "class", "score", "files", "thumbnails", "longest_px", "top_tiles", "masks", "min_inside"})
    keys.push_back(std::string("heatmaps.") + key);
  return keys;
}

bool MilConfig::has_baseline(const std::string& name) const { return std::find(baselines.begin(), baselines.end(), name) != baselines.end(); }
data::Outcome MilConfig::outcome() const { return mil::outcome_of(task); }
std::vector<double> MilConfig::learning_rates() const { return grid.lr.empty() ? std::vector{optim::rates_of(train.fit.optim).lr} : grid.lr; }
std::vector<double> MilConfig::weight_decays() const {
  return grid.weight_decay.empty() ? std::vector{optim::rates_of(train.fit.optim).weight_decay} : grid.weight_decay;
}
uint64_t MilConfig::seed_of_splits() const { return static_cast<uint64_t>(split_seed.value_or(run.seed)); }

}  // namespace eosin::apps
