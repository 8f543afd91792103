#pragma once
// Which rows train, validate and test: by a rule or from files. Whole groups (patients), always.
#include "eval/labelled_set.h"

#include <string>
#include <vector>

namespace eosin::eval {

/// One split of the rows; a row may be in no part.
struct Parts {
  int64_t repeat = 0, fold = 0;
  std::vector<int64_t> train, val, test;

  /// "fold 3", or "repeat 1, fold 3" where there are several.
  std::string name(bool repeated) const;
};

struct SplitPlan {
  std::vector<Parts> parts;
  std::string source;  // in words
  int64_t repeats = 1;
  std::vector<std::string> notes;  // rows that are in no part, and the like

  std::string name(size_t split) const { return parts[split].name(repeats > 1); }
  /// SHA-256 over the ids of all parts.
  std::string hash(const LabelledSet& set) const;
};

/// What `splits` may say:
///   5fold, 5x10fold       stratified folds of groups, repeated; test is fold i, validation fold (i + 1) mod k, k at least 3
///   10x80/10/10           Monte-Carlo: groups drawn anew each time, by class, per cent of train, validation, test
///   site_out              every site tests once; a fifth of the other groups validates
///   8shot, 5x8shot        so many groups a class train, as many validate, the rest tests
///   a CSV or a folder     see eval/split_files.h
/// Draws are functions of (seed, repeat).
struct SplitRule {
  enum class Kind { Folds, MonteCarlo, SiteOut, Shots, File };
  Kind kind = Kind::Folds;
  int64_t repeats = 1;
  int64_t k = 0;                     // folds or shots
  std::vector<int64_t> shares = {};  // Monte-Carlo, per cent
  std::string path = {};

  /// Errors   Config if it is none of these.
  static SplitRule parse(const std::string& text);
};

struct SplitOptions {
  uint64_t seed = 0;
  bool preserve_sites = false;  // folds hold whole sites (Howard et al. 2021, doi:10.1038/s41467-021-24698-1)
};

/// Errors   those of group_folds and read_splits; Data: no sites where they are needed, fewer than two sites, too few groups of a class.
/// Checked  tests/eval/test_split_plan.cpp.
SplitPlan make_splits(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options);

/// Errors   Data naming the split: no test rows, or no validation rows where they are needed.
void check_parts(const SplitPlan& plan, bool needs_validation);
/// Errors   Data naming split and class: a class without training rows.
void check_classes_train(const LabelledSet& set, const SplitPlan& plan);

}  // namespace eosin::eval
