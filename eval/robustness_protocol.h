#pragma once
// `protocol.name: robustness`: whether neighbours of a tile share its class or its medical centre (PathoROB).
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

namespace eosin::eval {

struct RobustnessProtocol {
  int64_t k = 0, max_k = 600;
  void visit(config::Visitor& v);
};

/// Nothing is fitted: all rows are queries and keys, and rows of a query's own group (PathoROB: its slide) are no neighbours. The measure
/// robustness_index is SO / (SO + OS) over the k nearest, with an interval that resamples groups; predictions are the neighbours' votes. Without k it
/// is that of the best balanced accuracy among 1, 3, 5, 7, 9, 11, 21, 31, ... up to max_k, or as many as every row has; of equal ones the smallest.
/// `fit` also says whether rows cluster by group (eval/slide_collapse.h).
///
/// Differs   PathoROB takes the median of that k over several models, and pairs of classes and centres as subsets of their own.
/// Errors    Data without sites, or if a row has no neighbour of another group. As robustness_index.
/// Checked   tests/eval/test_robustness_protocol.cpp.
ProtocolResult run_robustness(const RobustnessProtocol& protocol, const LabelledSet& set);

}  // namespace eosin::eval
