#pragma once
// Protocols on frozen features: fitted on training rows, applied to others. The table is what `protocol.name` selects.
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

#include <string>
#include <vector>

namespace eosin::eval {

struct KnnProtocol {
  int64_t k = 20;
  std::string vote = "dino";
  double temperature = 0.07;
  void visit(config::Visitor& v);
};

struct LinearProtocol {
  std::string cost = "auto";
  double C = 1;
  std::vector<double> C_grid = {1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100};
  int64_t cost_folds = 5;
  std::string scaling = "standardize";
  bool balanced = false;
  std::string penalty = "l2_squared";
  int64_t max_iterations = 1000;
  double tolerance = 1e-6;
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Rows of `protocol:`.
const std::vector<config::ConfigRow>& protocols();

/// What a protocol learns from: classes, or numbers.
LabelKind labels_of(const config::Choice& protocol);

/// Whether nothing is fitted and all rows are measured together, so that there is no split.
bool measures_all_rows(const config::Choice& protocol);

/// Whatever is fitted or chosen sees `train` only. Where all rows are measured together, `test` is all.
///
/// Errors   as knn_classify, fit_linear_probe and the functions of the other rows.
ProtocolResult run_protocol(const config::Choice& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
