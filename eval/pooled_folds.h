#pragma once
// The test rows of all folds as one set, and who they are.
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

#include <optional>
#include <string>
#include <vector>

namespace eosin::eval {

/// Test rows of one fold, and what was said of them.
struct FoldResult {
  int64_t fold = 0;
  std::vector<int64_t> rows;  // of the set
  ProtocolResult result;
  std::optional<double> risk_cut = {};  // of survival: above it a risk is high; found without the test rows
  std::string name = {};                // where a fold has one: the site that is held out
};

struct PooledFolds {
  ProtocolResult all;            // without a fit
  std::vector<int64_t> unit_of;  // group of each row as 0 ... units-1
  int64_t units = 0;
};
PooledFolds pooled(const LabelledSet& set, const std::vector<FoldResult>& folds);

}  // namespace eosin::eval
