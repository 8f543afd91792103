#include "eval/labelled_set.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/name_order.h"
#include "data/feature_store.h"
#include "data/tile_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;
const Names kIdNames = {"id", "path", "file", "image", "slide", "slide_id"}, kLabelNames = {"label", "class", "target"},
            kGroupNames = {"group", "patient", "patient_id", "case", "case_id"}, kSplitNames = {"split", "part"};

std::optional<std::string> find_column(const data::TileStore& store, const Names& usual) {
  const auto it = std::find_if(usual.begin(), usual.end(), [&](const auto& name) { return store.has_column(name); });
  return it == usual.end() ? std::nullopt : std::optional(*it);
}

int64_t part_of(const LabelRow& row) {
  static const std::map<std::string, Part> words = {{"train", Part::Train}, {"training", Part::Train}, {"val", Part::Val},
                                                    {"valid", Part::Val},   {"validation", Part::Val}, {"test", Part::Test},
                                                    {"testing", Part::Test}};
  const auto it = words.find(row.part);
  EOSIN_CHECK(it != words.end(), Data, "[{}] '{}' is no part of a split (need train, val or test)", row.where, row.part);
  return static_cast<int64_t>(it->second);
}

/// Positions of the names, which are put in order.
class Index {
 public:
  explicit Index(std::set<std::string> names) : names_(names.begin(), names.end()) {
    order_names(names_);
    for (size_t i = 0; i < names_.size(); ++i) position_[names_[i]] = static_cast<int64_t>(i);
  }
  int64_t operator[](const std::string& name) const { return position_.at(name); }
  const Names& names() const { return names_; }

 private:
  Names names_;
  std::map<std::string, int64_t> position_;
};

/// Endings of slides, pictures and features. Others are part of the name: "TCGA-3C-AALI-01Z-00-DX1.F6E9A5DF-D8FB-45CF-B4BD-C6B76294C291".
constexpr std::string_view kEndings[] = {".svs", ".tif",  ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms",    ".vmu",
                                         ".dcm", ".czi",  ".jp2",  ".h5",   ".hdf5", ".pt",  ".npy", ".npz",     ".csv",    ".zarr",
                                         ".jpg", ".jpeg", ".png",  ".bmp",  ".webp", ".gif", ".mat", ".isyntax", ".qptiff", ".safetensors"};

std::string without_ending(const std::string& id) {
  std::string ending = fs::path(id).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool known = std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
  return known ? id.substr(0, id.size() - ending.size()) : id;
}
std::string last_part(const std::string& id) { return fs::path(without_ending(id)).filename().string(); }

using Form = std::string (*)(const std::string& id);

/// Rows of features by one form of their ids.
class Finder {
 public:
  Finder(const Names& ids, Form form) : ids_(ids), form_(form) {
    for (size_t i = 0; i < ids.size(); ++i) rows_[form(ids[i])].push_back(static_cast<int64_t>(i));
  }
  std::optional<int64_t> find(const LabelRow& label) const {
    const auto it = rows_.find(form_(label.id));
    if (it == rows_.end()) return std::nullopt;
    EOSIN_CHECK(it->second.size() == 1, Data, "[{}] '{}' may mean the features '{}' or '{}'; write the id as the features have it", label.where,
                label.id, ids_[it->second[0]], ids_[it->second[1]]);
    return it->second[0];
  }

 private:
  const Names& ids_;
  const Form form_;
  std::unordered_map<std::string, std::vector<int64_t>> rows_;
};

using Rows = std::vector<std::optional<int64_t>>;

/// Finds what is not found yet.
void find_more(const Names& ids, const std::vector<LabelRow>& labels, Form form, Rows& rows) {
  const Finder finder(ids, form);
  for (size_t i = 0; i < labels.size(); ++i)
    if (!rows[i]) rows[i] = finder.find(labels[i]);
}

/// The row of features of each label, by the rule of join_labels().
std::vector<int64_t> match(const Names& ids, const std::vector<LabelRow>& labels) {
  const auto missing = [](const Rows& rows) { return static_cast<size_t>(std::count(rows.begin(), rows.end(), std::nullopt)); };
  Rows rows(labels.size());
  find_more(
      ids, labels, [](const std::string& id) { return id; }, rows);
  if (missing(rows) > 0) find_more(ids, labels, without_ending, rows);
  if (missing(rows) == labels.size()) find_more(ids, labels, last_part, rows);
  EOSIN_CHECK(missing(rows) < labels.size(), Data,
              "[labels] no id is in both labels and features (labels: '{}', features: '{}'); name the column that holds the ids", labels.front().id,
              ids.front());
  std::vector<int64_t> found;
  std::unordered_map<int64_t, size_t> seen;
  for (size_t i = 0; i < rows.size(); ++i) {
    EOSIN_CHECK(rows[i], Data, "[{}] there are no features of '{}'; embed it or leave its row out", labels[i].where, labels[i].id);
    const auto [it, fresh] = seen.emplace(*rows[i], i);
    EOSIN_CHECK(fresh, Data, "[{}] '{}' and '{}' mean the same features", labels[i].where, labels[it->second].id, labels[i].id);
    found.push_back(*rows[i]);
  }
  return found;
}

}  // namespace

FeatureTable read_feature_table(const std::string& path) {
  FeatureTable table;
  std::vector<Tensor> parts;
  std::set<std::string> seen;
  for (const auto& file : data::list_features(path)) {
    const data::SlideFeatures f = data::read_features(file);
    const bool pictures = !f.ids.empty();
    const std::string unit = pictures ? "tile" : "slide";
    if (table.unit.empty())
      table.unit = unit, table.encoder = f.meta.encoder, table.weights_sha256 = f.meta.weights_sha256, table.transform = f.meta.transform;
    EOSIN_CHECK(unit == table.unit, Data, "[{}] features of pictures and of slides do not mix", file);
    EOSIN_CHECK(f.meta.weights_sha256 == table.weights_sha256 && f.meta.transform == table.transform, Data,
                "[{}] features of another encoder or transform than the files before it (got '{}', need '{}')", file, f.meta.encoder, table.encoder);
    EOSIN_CHECK(f.features_ND.size(0) > 0, Data, "[{}] holds no rows; leave the file out", file);
    EOSIN_CHECK(parts.empty() || f.features_ND.size(1) == parts[0].size(1), Data,
                "[{}] width of the features differs from the files before it (got {}, need {})", file, f.features_ND.size(1),
                parts.empty() ? 0 : parts[0].size(1));
    parts.push_back(pictures ? f.features_ND.to(at::kFloat) : f.features_ND.to(at::kDouble).mean(0, true).to(at::kFloat));
    const Names ids = pictures ? f.ids : Names{fs::path(file).stem().string()};
    for (const auto& id : ids) EOSIN_CHECK(seen.insert(id).second, Data, "[{}] id '{}' occurs twice", file, id);
    table.ids.insert(table.ids.end(), ids.begin(), ids.end());
  }
  table.features_ND = at::cat(parts);
  return table;
}

std::vector<LabelRow> read_labels(const CsvTable& table, const LabelColumns& columns) {
  const auto id = table.choose(columns.id, kIdNames), label = table.choose(columns.label, kLabelNames);
  const auto group = table.choose(columns.group, kGroupNames), split = table.choose(columns.split, kSplitNames);
  EOSIN_CHECK(table.size() > 0, Data, "[{}] the labels have no rows", table.where(0));
  EOSIN_CHECK(id && label, Data, "[{}] no column of {} (has {}); name it as columns.{}", table.where(0), id ? "labels" : "ids",
              fmt::join(table.header(), ", "), id ? "label" : "id");
  std::vector<LabelRow> rows;
  std::set<std::string> seen;
  for (size_t i = 0; i < table.size(); ++i) {
    const Names& cells = table.row(i);
    LabelRow row{cells[*id], cells[*label], group ? cells[*group] : "", split ? cells[*split] : "", table.where(i)};
    EOSIN_CHECK(!row.label.empty(), Data, "[{}] '{}' has an empty label", row.where, row.id);
    EOSIN_CHECK(seen.insert(row.id).second, Data, "[{}] id '{}' occurs twice", row.where, row.id);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<LabelRow> read_labels(const data::TileStore& store) {
  const auto label = find_column(store, kLabelNames), group = find_column(store, kGroupNames), split = find_column(store, kSplitNames);
  EOSIN_CHECK(store.has_column("id") && label, Data, "[labels] the store has no columns of ids and labels (has {}); give labels as a CSV",
              fmt::join(store.columns(), ", "));
  const Names none(store.n_tiles()), ids = store.column("id"), labels = store.column(*label);
  const Names groups = group ? store.column(*group) : none, splits = split ? store.column(*split) : none;
  std::vector<LabelRow> rows;
  for (size_t i = 0; i < ids.size(); ++i) rows.push_back({ids[i], labels[i], groups[i], splits[i], "store row " + std::to_string(i)});
  return rows;
}

LabelledSet join_labels(const FeatureTable& features, const std::vector<LabelRow>& labels) {
  EOSIN_CHECK(!labels.empty() && !features.ids.empty(), Data, "[labels] there is nothing to join (got {} labels, {} features)", labels.size(),
              features.ids.size());
  const std::vector<int64_t> row_of = match(features.ids, labels);
  std::set<std::string> classes, groups;
  size_t with_group = 0, with_part = 0;
  for (const LabelRow& row : labels) {
    classes.insert(row.label);
    groups.insert(row.group);
    with_group += !row.group.empty(), with_part += !row.part.empty();
  }
  const auto all_or_none = [&](size_t n, const char* what) {
    EOSIN_CHECK(n == 0 || n == labels.size(), Data, "[labels] only {} of {} rows have a {}; fill the column or leave it out", n, labels.size(), what);
    return n > 0;
  };
  LabelledSet set;
  set.grouped = all_or_none(with_group, "group");
  const bool split = all_or_none(with_part, "split");
  const Index class_of(classes), group_of(groups);
  set.classes = class_of.names();
  for (size_t i = 0; i < labels.size(); ++i) {
    set.ids.push_back(labels[i].id);
    set.target.push_back(class_of[labels[i].label]);
    set.group.push_back(set.grouped ? group_of[labels[i].group] : static_cast<int64_t>(i));
    if (split) set.part.push_back(part_of(labels[i]));
  }
  set.groups = set.grouped ? group_of.names() : set.ids;
  set.features_ND = features.features_ND.index_select(0, at::tensor(row_of, at::kLong));
  set.unlabelled = static_cast<int64_t>(features.ids.size() - labels.size());
  if (set.unlabelled > 0) log::info("[labels] {} of {} features have no label and are left out", set.unlabelled, features.ids.size());
  set.unit = features.unit;
  return set;
}

LabelledSet LabelledSet::rows(const std::vector<int64_t>& indices) const {
  LabelledSet r;
  r.classes = classes, r.groups = groups, r.grouped = grouped, r.unit = unit, r.sites = sites, r.sites_of_study = sites_of_study;
  r.features_ND = features_ND.index_select(0, at::tensor(indices, at::kLong));
  for (int64_t i : indices) {
    r.ids.push_back(ids[i]);
    r.target.push_back(target[i]);
    r.group.push_back(group[i]);
    if (!part.empty()) r.part.push_back(part[i]);
    if (!site.empty()) r.site.push_back(site[i]);
  }
  return r;
}

}  // namespace eosin::eval
