#pragma once
#include "eval/split_plan.h"

namespace eosin::eval {

/// Splits from files:
///   columns train, val, test     CLAM: ragged columns of ids (splits_0.csv), or True and False beside the ids (splits_0_bool.csv); one split a
///                                file, a folder is read in name order
///   columns fold_0, fold_1, ...  train, val or test in each (TRIDENT, Patho-Bench)
///   column fold                  whole numbers: test is fold i, validation the next one
/// Ids are those of rows or of their groups, "17.0" means "17". Rows that no file names are in no part.
///
/// Errors   Data naming the table: other columns, ids that no row has, a word that is no part, a split without training or test rows.
/// Checked  tests/eval/test_split_plan.cpp.
SplitPlan read_splits(const LabelledSet& set, const std::string& path);

}  // namespace eosin::eval
