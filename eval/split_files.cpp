#include "eval/split_files.h"

#include "core/base/csv.h"
#include "core/base/error.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

const Names kParts = {"train", "val", "test"};
const Names kIds = {"slide_id", "slide", "id", "case_id", "patient", "patient_id", "group", ""};

/// Rows by their id, else by their group's.
class Rows {
 public:
  explicit Rows(const LabelledSet& set) {
    for (size_t i = 0; i < set.ids.size(); ++i) by_id_[set.ids[i]] = {static_cast<int64_t>(i)};
    for (size_t i = 0; i < set.ids.size(); ++i) by_group_[set.groups[static_cast<size_t>(set.group[i])]].push_back(static_cast<int64_t>(i));
  }
  /// Null if there is none.
  const std::vector<int64_t>* find(const std::string& id) const {
    for (const std::string& form : {id, id.ends_with(".0") ? id.substr(0, id.size() - 2) : fs::path(id).stem().string()})
      for (const auto* table : {&by_id_, &by_group_})
        if (const auto it = table->find(form); it != table->end()) return &it->second;
    return nullptr;
  }

 private:
  std::map<std::string, std::vector<int64_t>> by_id_, by_group_;
};

class Reader {
 public:
  Reader(const LabelledSet& set) : rows_(set), named_(set.ids.size()) {}

  void add(std::vector<int64_t>& part, const CsvTable& table, size_t row, const std::string& id) {
    const auto* found = rows_.find(id);
    if (!found) return unknown_.push_back(fmt::format("{} '{}'", table.where(row), id));
    for (const int64_t i : *found) {
      if (std::find(part.begin(), part.end(), i) == part.end()) part.push_back(i);
      named_[static_cast<size_t>(i)] = true;
    }
  }
  void check(const std::string& path) const {
    const auto end = unknown_.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(unknown_.size(), 10));
    EOSIN_CHECK(unknown_.empty(), Data, "[{}] {} ids belong to no row of the cohort: {}", path, unknown_.size(),
                fmt::join(unknown_.begin(), end, ", "));
  }
  int64_t unnamed() const { return std::count(named_.begin(), named_.end(), false); }

 private:
  Rows rows_;
  std::vector<bool> named_;
  Names unknown_;
};

std::vector<int64_t>& part_of(Parts& p, size_t part) { return part == 0 ? p.train : part == 1 ? p.val : p.test; }

bool is_flag(const std::string& cell) { return cell == "True" || cell == "False" || cell == "true" || cell == "false" || cell == "1" || cell == "0"; }

/// Columns train, val and test of ids, or of flags beside ids.
Parts read_columns(const CsvTable& table, Reader& reader) {
  Parts parts;
  for (size_t part = 0; part < kParts.size(); ++part) {
    const auto column = table.find(kParts[part]);
    if (!column) continue;
    bool flags = table.size() > 0;
    for (size_t i = 0; i < table.size(); ++i) flags = flags && is_flag(table.row(i)[*column]);
    const auto id = table.choose("", kIds);
    for (size_t i = 0; i < table.size(); ++i) {
      const std::string& cell = table.row(i)[*column];
      if (!flags && !cell.empty()) reader.add(part_of(parts, part), table, i, cell);
      if (flags && id && (cell == "1" || cell == "True" || cell == "true")) reader.add(part_of(parts, part), table, i, table.row(i)[*id]);
    }
  }
  return parts;
}

/// A column of words a split.
Parts read_words(const CsvTable& table, size_t id, size_t column, Reader& reader) {
  Parts parts;
  for (size_t i = 0; i < table.size(); ++i) {
    const std::string& word = table.row(i)[column];
    if (word.empty()) continue;
    const auto part = std::find(kParts.begin(), kParts.end(), word);
    EOSIN_CHECK(part != kParts.end(), Data, "[{}] '{}' is no part of a split (need train, val, test, or nothing)", table.where(i), word);
    reader.add(part_of(parts, static_cast<size_t>(part - kParts.begin())), table, i, table.row(i)[id]);
  }
  return parts;
}

/// A column of whole numbers: the folds.
std::vector<Parts> read_fold_numbers(const CsvTable& table, size_t id, size_t column, Reader& reader) {
  std::map<int64_t, std::vector<size_t>> folds;
  for (size_t i = 0; i < table.size(); ++i) {
    const std::string& cell = table.row(i)[column];
    int64_t fold = 0;
    const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), fold);
    EOSIN_CHECK(code == std::errc() && end == cell.data() + cell.size(), Data, "[{}] '{}' is no number of a fold", table.where(i), cell);
    folds[fold].push_back(i);
  }
  EOSIN_CHECK(folds.size() >= 3, Data, "[{}] column fold holds {} folds (need at least 3: one tests, one validates)", table.where(table.size()),
              folds.size());
  std::vector<Parts> all(folds.size());
  int64_t number = 0;
  for (const auto& [fold, rows] : folds) {
    for (int64_t s = 0; s < static_cast<int64_t>(all.size()); ++s) {
      const size_t part = number == s ? 2 : number == (s + 1) % static_cast<int64_t>(all.size()) ? 1 : 0;
      for (const size_t i : rows) reader.add(part_of(all[static_cast<size_t>(s)], part), table, i, table.row(i)[id]);
    }
    ++number;
  }
  return all;
}

std::vector<Parts> read_table(const CsvTable& table, Reader& reader) {
  if (table.find("train") && table.find("test")) return {read_columns(table, reader)};
  const auto id = table.choose("", kIds);
  EOSIN_CHECK(id, Data, "[{}] has neither columns train and test nor a column of ids (has {})", table.where(table.size()),
              fmt::join(table.header(), ", "));
  if (const auto fold = table.find("fold")) return read_fold_numbers(table, *id, *fold, reader);
  std::vector<Parts> all;
  for (size_t f = 0; const auto column = table.find("fold_" + std::to_string(f)); ++f) all.push_back(read_words(table, *id, *column, reader));
  EOSIN_CHECK(!all.empty(), Data, "[{}] has no columns train, val, test, nor fold, nor fold_0, fold_1, ... (has {})", table.where(table.size()),
              fmt::join(table.header(), ", "));
  return all;
}

/// By the number in the name: splits_10 comes after splits_9. Of CLAM's files those of ids alone.
std::vector<std::string> files_of(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::map<std::pair<size_t, std::string>, std::string> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".csv" || stem.ends_with("_bool") || stem.ends_with("_descriptor")) continue;
    files[{stem.size(), stem}] = entry.path().string();
  }
  EOSIN_CHECK(!files.empty(), Data, "[{}] holds no splits (*.csv)", path);
  std::vector<std::string> names;
  for (const auto& [key, name] : files) names.push_back(name);
  return names;
}

}  // namespace

SplitPlan read_splits(const LabelledSet& set, const std::string& path) {
  SplitPlan plan;
  plan.source = path;
  Reader reader(set);
  for (const auto& file : files_of(path))
    for (Parts& parts : read_table(CsvTable::read(file), reader)) plan.parts.push_back(std::move(parts));
  reader.check(path);
  for (size_t s = 0; s < plan.parts.size(); ++s) plan.parts[s].fold = static_cast<int64_t>(s);
  if (const int64_t n = reader.unnamed(); n > 0) plan.notes.push_back(fmt::format("{} of {} bags are in no part of the splits", n, set.ids.size()));
  return plan;
}

}  // namespace eosin::eval
