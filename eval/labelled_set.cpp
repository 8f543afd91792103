#include "eval/labelled_set.h"

#include "core/base/config.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/name_order.h"
#include "data/feature_store.h"
#include "data/tile_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
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
            kGroupNames = {"group", "patient", "patient_id", "case", "case_id"}, kSiteNames = {"site", "centre", "center", "hospital"},
            kSplitNames = {"split", "part"};

/// Columns of text, of a CSV or a store.
struct Texts {
  std::string name;
  Names header;
  std::vector<Names> columns;
  std::function<std::string(size_t row)> where;

  size_t size() const { return columns.empty() ? 0 : columns[0].size(); }
  std::optional<size_t> choose(const std::string& wanted, const Names& usual) const {
    for (const auto& column : wanted.empty() ? usual : Names{wanted})
      if (const auto it = std::find(header.begin(), header.end(), column); it != header.end()) return static_cast<size_t>(it - header.begin());
    if (wanted.empty()) return std::nullopt;
    const auto near = config::nearest(wanted, header);
    fail(ErrorKind::Data, "[{}] there is no column '{}'{} (has {})", name, wanted, near ? fmt::format("; did you mean '{}'?", *near) : "",
         fmt::join(header, ", "));
  }
};

Texts texts_of(const CsvTable& table) {
  Texts t{table.where(table.size()), table.header(), std::vector<Names>(table.header().size()), [&](size_t i) { return table.where(i); }};
  for (size_t i = 0; i < table.size(); ++i)
    for (size_t c = 0; c < t.header.size(); ++c) t.columns[c].push_back(table.row(i)[c]);
  return t;
}

Texts texts_of(const data::TileStore& store) {
  Texts t{"store", store.columns(), {}, [](size_t i) { return fmt::format("store row {}", i); }};
  for (const auto& column : t.header) t.columns.push_back(store.column(column));
  return t;
}

/// Where in a table things stand.
struct Places {
  std::optional<size_t> id, label, group, site, split;
  std::vector<size_t> targets;
};

Places places_of(const Texts& t, const LabelColumns& c, LabelKind kind) {
  Places p{t.choose(c.id, kIdNames),     t.choose(c.label, kLabelNames), t.choose(c.group, kGroupNames),
           t.choose(c.site, kSiteNames), t.choose(c.split, kSplitNames), {}};
  const bool numbers = kind == LabelKind::Numbers;
  EOSIN_CHECK(t.size() > 0, Data, "[{}] the labels have no rows", t.name);
  EOSIN_CHECK(p.id && (p.label || numbers), Data, "[{}] no column of {} (has {}); name it as columns.{}", t.name, p.id ? "labels" : "ids",
              fmt::join(t.header, ", "), p.id ? "label" : "id");
  if (!numbers) return p;
  for (const auto& target : c.targets) p.targets.push_back(*t.choose(target, {}));
  const std::set<std::optional<size_t>> others = {p.id, p.label, p.group, p.site, p.split};
  for (size_t i = 0; i < t.header.size() && c.targets.empty(); ++i)
    if (!others.contains(i)) p.targets.push_back(i);
  EOSIN_CHECK(!p.targets.empty(), Data, "[{}] no column of numbers (has {}); name them as columns.targets", t.name, fmt::join(t.header, ", "));
  return p;
}

double number_of(const std::string& cell, const std::string& column, const LabelRow& row) {
  double value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  EOSIN_CHECK(code == std::errc() && end == cell.data() + cell.size() && std::isfinite(value), Data,
              "[{}] '{}' of '{}' is no number (got '{}'); leave the row out, or name the columns of numbers as columns.targets", row.where, column,
              row.id, cell);
  return value;
}

LabelTable labels_of(const Texts& t, const LabelColumns& columns, LabelKind kind) {
  const Places p = places_of(t, columns, kind);
  const auto cell = [&](std::optional<size_t> column, size_t i) { return column ? t.columns[*column][i] : std::string(); };
  LabelTable table;
  for (size_t target : p.targets) table.targets.push_back(t.header[target]);
  std::set<std::string> seen;
  for (size_t i = 0; i < t.size(); ++i) {
    LabelRow row{cell(p.id, i), kind == LabelKind::Class ? cell(p.label, i) : "", cell(p.group, i), cell(p.site, i), cell(p.split, i), t.where(i)};
    EOSIN_CHECK(kind == LabelKind::Numbers || !row.label.empty(), Data, "[{}] '{}' has an empty label", row.where, row.id);
    EOSIN_CHECK(seen.insert(row.id).second, Data, "[{}] id '{}' occurs twice", row.where, row.id);
    for (size_t target : p.targets) row.numbers.push_back(number_of(t.columns[target][i], t.header[target], row));
    table.rows.push_back(std::move(row));
  }
  return table;
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

LabelTable read_labels(const CsvTable& table, const LabelColumns& columns, LabelKind kind) { return labels_of(texts_of(table), columns, kind); }
LabelTable read_labels(const data::TileStore& store, const LabelColumns& columns, LabelKind kind) {
  return labels_of(texts_of(store), columns, kind);
}

LabelledSet join_labels(const FeatureTable& features, const LabelTable& table) {
  const std::vector<LabelRow>& labels = table.rows;
  EOSIN_CHECK(!labels.empty() && !features.ids.empty(), Data, "[labels] there is nothing to join (got {} labels, {} features)", labels.size(),
              features.ids.size());
  const std::vector<int64_t> row_of = match(features.ids, labels);
  std::set<std::string> classes, groups, sites;
  size_t with_group = 0, with_site = 0, with_part = 0;
  for (const LabelRow& row : labels) {
    classes.insert(row.label);
    groups.insert(row.group);
    sites.insert(row.site);
    with_group += !row.group.empty(), with_site += !row.site.empty(), with_part += !row.part.empty();
  }
  const auto all_or_none = [&](size_t n, const char* what) {
    EOSIN_CHECK(n == 0 || n == labels.size(), Data, "[labels] only {} of {} rows have a {}; fill the column or leave it out", n, labels.size(), what);
    return n > 0;
  };
  LabelledSet set;
  set.grouped = all_or_none(with_group, "group");
  const bool split = all_or_none(with_part, "split"), sited = with_site == labels.size();
  const Index class_of(classes), group_of(groups), site_of(sites);
  set.targets = table.targets;
  set.number_NT.cols = static_cast<int64_t>(table.targets.size());
  if (table.targets.empty()) set.classes = class_of.names();
  if (sited) set.sites = site_of.names();
  for (size_t i = 0; i < labels.size(); ++i) {
    set.ids.push_back(labels[i].id);
    set.target.push_back(class_of[labels[i].label]);
    set.group.push_back(set.grouped ? group_of[labels[i].group] : static_cast<int64_t>(i));
    if (sited) set.site.push_back(site_of[labels[i].site]);
    if (split) set.part.push_back(part_of(labels[i]));
    set.number_NT.values.insert(set.number_NT.values.end(), labels[i].numbers.begin(), labels[i].numbers.end());
  }
  set.number_NT.rows = set.number_NT.cols > 0 ? static_cast<int64_t>(labels.size()) : 0;
  set.groups = set.grouped ? group_of.names() : set.ids;
  set.features_ND = features.features_ND.index_select(0, at::tensor(row_of, at::kLong));
  set.unlabelled = static_cast<int64_t>(features.ids.size() - labels.size());
  if (set.unlabelled > 0) log::info("[labels] {} of {} features have no label and are left out", set.unlabelled, features.ids.size());
  set.unit = features.unit;
  return set;
}

LabelledSet LabelledSet::rows(const std::vector<int64_t>& indices) const {
  LabelledSet r;
  r.classes = classes, r.targets = targets, r.groups = groups, r.grouped = grouped, r.unit = unit, r.sites = sites, r.sites_of_study = sites_of_study;
  r.features_ND = features_ND.index_select(0, at::tensor(indices, at::kLong));
  for (int64_t i : indices) {
    r.ids.push_back(ids[i]);
    r.target.push_back(target[i]);
    r.group.push_back(group[i]);
    if (number_NT.cols > 0) r.number_NT.values.insert(r.number_NT.values.end(), number_NT.row(i).begin(), number_NT.row(i).end());
    if (!part.empty()) r.part.push_back(part[i]);
    if (!site.empty()) r.site.push_back(site[i]);
  }
  r.number_NT.cols = number_NT.cols;
  r.number_NT.rows = number_NT.cols > 0 ? static_cast<int64_t>(indices.size()) : 0;
  return r;
}

}  // namespace eosin::eval
