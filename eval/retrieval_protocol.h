#pragma once
// `protocol.name: retrieval`: training rows are keys, test rows queries.
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

namespace eosin::eval {

struct RetrievalProtocol {
  std::vector<int64_t> k = {1, 3, 5};
  std::string similarity = "cosine";
  bool center = false;
  std::string map_norm = "hits";
  void visit(config::Visitor& v);
};

/// Measures retrieval_acc@k, retrieval_mv@k (ties to the nearest), retrieval_mv_any_tie@k (as Patho-Bench counts) and retrieval_map@k of every test
/// row; keys of a query's own group are never returned. Predictions are the votes of the largest k.
///
/// Errors   as retrieval_at_k.
/// Checked  tests/eval/test_protocols.cpp.
ProtocolResult run_retrieval(const RetrievalProtocol& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
