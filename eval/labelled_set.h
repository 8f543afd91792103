#pragma once
// Features joined with labels, groups (patients) and parts (train, val, test).
#include "core/tensor/tensor.h"
#include "eval/matrix.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin {
class CsvTable;
}
namespace eosin::data {
class TileStore;
}

namespace eosin::eval {

/// Features of a folder of slides (one row a slide: the mean of its tiles) or of one file with ids (one row a picture).
struct FeatureTable {
  Tensor features_ND;
  std::vector<std::string> ids;
  std::string unit;                                // "slide" or "tile"
  std::string encoder, weights_sha256, transform;  // of the first file; the others agree
};
/// Errors   those of read_features; Data if files differ in width or encoder, a file without ids has no rows, or an id occurs twice.
FeatureTable read_feature_table(const std::string& path);

/// What is said of one id; group, site and part may be empty. Of numbers there are `numbers`, one a target, and no label.
struct LabelRow {
  std::string id, label, group, site, part, where;
  std::vector<double> numbers = {};
};
struct LabelTable {
  std::vector<LabelRow> rows;
  std::vector<std::string> targets = {};  // names of the numbers
};
/// Names of the columns of a labels table; empty: the first that is there of the usual names (id, path, file, slide, ...).
struct LabelColumns {
  std::string id, label, group, site, split;
  std::vector<std::string> targets;  // of numbers; empty: all columns that are none of the others
};
enum class LabelKind { Class, Numbers };
/// Errors   Data: no id, label or target column, an empty label, a target that is no number, an id twice (with file:line).
LabelTable read_labels(const CsvTable& table, const LabelColumns& columns, LabelKind kind = LabelKind::Class);
/// The same from the columns of a store.
LabelTable read_labels(const data::TileStore& store, const LabelColumns& columns, LabelKind kind = LabelKind::Class);

enum class Part : int64_t { Train = 0, Val = 1, Test = 2 };

struct LabelledSet {
  Tensor features_ND;
  std::vector<std::string> ids, classes;  // classes in name order (numbers by value)
  std::vector<int64_t> target;            // position in classes; of numbers 0
  Matrix number_NT;                       // a column a target, NaN where unknown; none where there are classes
  std::vector<std::string> targets;       // their names
  std::vector<int64_t> group;             // position in groups; every row its own where there is no group column
  std::vector<std::string> groups;
  std::vector<int64_t> part;  // Part of each row; empty where there is no split
  std::vector<int64_t> site;  // position in sites; empty where a row has none
  std::vector<std::string> sites;
  bool sites_of_study = false;  // a site is a place within one study (TCGA barcodes), and so tells the study
  bool grouped = false;
  int64_t unlabelled = 0;  // features without a label
  std::string unit;

  LabelledSet rows(const std::vector<int64_t>& indices) const;
};

/// Joins by id: as it is written, else without the ending of a slide, a picture or a features file ("slide.svs", "slide.h5" and "slide" are one).
/// Where that finds no row at all, by the last part of the path, without ending.
///
/// Errors   Data: no row in common (names one id of each side), a label without features, one that several features fit, or two that one fits
///          (names both), a part that is no part, a split for some rows only.
/// Checked  tests/eval/test_evaluation.cpp.
LabelledSet join_labels(const FeatureTable& features, const LabelTable& table);

}  // namespace eosin::eval
