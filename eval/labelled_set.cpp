#include "eval/labelled_set.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/name_order.h"
#include "data/feature_store.h"
#include "data/tile_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

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

std::string without_extension(const std::string& id) { return fs::path(id).replace_extension().string(); }
std::string last_part(const std::string& id) { return fs::path(id).stem().string(); }

/// Rows of features by one form of their ids; a form that two ids share finds nothing.
class Finder {
 public:
  Finder(const Names& ids, std::string (*form)(const std::string&)) : form_(form) {
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto [it, fresh] = row_.emplace(form(ids[i]), static_cast<int64_t>(i));
      if (!fresh) it->second = -1;
    }
  }
  std::optional<int64_t> find(const std::string& id) const {
    const auto it = row_.find(form_(id));
    return it == row_.end() || it->second < 0 ? std::nullopt : std::optional(it->second);
  }

 private:
  std::string (*form_)(const std::string&);
  std::map<std::string, int64_t> row_;
};

/// The row of features of each label. All labels are matched by one form, the strictest that finds any.
std::vector<int64_t> match(const Names& ids, const std::vector<LabelRow>& labels) {
  for (auto form : {+[](const std::string& id) { return id; }, without_extension, last_part}) {
    const Finder finder(ids, form);
    std::vector<int64_t> rows;
    for (const LabelRow& label : labels) rows.push_back(finder.find(label.id).value_or(-1));
    if (std::all_of(rows.begin(), rows.end(), [](int64_t r) { return r < 0; })) continue;
    std::map<int64_t, size_t> seen;
    for (size_t i = 0; i < rows.size(); ++i) {
      EOSIN_CHECK(rows[i] >= 0, Data, "[{}] there are no features of '{}'; embed it or leave its row out", labels[i].where, labels[i].id);
      const auto [it, fresh] = seen.emplace(rows[i], i);
      EOSIN_CHECK(fresh, Data, "[{}] '{}' and '{}' mean the same features", labels[i].where, labels[it->second].id, labels[i].id);
    }
    return rows;
  }
  fail(ErrorKind::Data, "[labels] no id is in both labels and features (labels: '{}', features: '{}'); name the column that holds the ids",
       labels.front().id, ids.front());
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
  r.classes = classes, r.groups = groups, r.grouped = grouped, r.unit = unit;
  r.features_ND = features_ND.index_select(0, at::tensor(indices, at::kLong));
  for (int64_t i : indices) {
    r.ids.push_back(ids[i]);
    r.target.push_back(target[i]);
    r.group.push_back(group[i]);
    if (!part.empty()) r.part.push_back(part[i]);
  }
  return r;
}

}  // namespace eosin::eval
