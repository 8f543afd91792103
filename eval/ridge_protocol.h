#pragma once
// `protocol.name: ridge`: how well numbers of a tile (expression of genes, a score) follow linearly from its features.
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

#include <optional>

namespace eosin::eval {

struct RidgeProtocol {
  int64_t components = 256;
  std::optional<double> alpha;
  bool intercept = true;
  void visit(config::Visitor& v);
};

/// HEST's regression (eval/hest_probe.h) on all targets at once. Where there are fewer training rows or features than components, as many components
/// as there are of these; `fit` says how many.
///
/// Errors   as HestProbe::fit.
/// Checked  tests/eval/test_ridge_protocol.cpp, tests/python/eval_parity.py: scikit-learn.
ProtocolResult run_ridge(const RidgeProtocol& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
