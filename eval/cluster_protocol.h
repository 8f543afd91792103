#pragma once
// `protocol.name: kmeans`: whether clusters found without labels are classes.
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

namespace eosin::eval {

struct ClusterProtocol {
  int64_t clusters = 0;
  int64_t starts = 20;
  std::string scaling = "unit";
  int64_t start_seed = 0;
  void visit(config::Visitor& v);
};

/// k-means on the training rows; a test row goes to the nearest centre, and the training classes in that cluster are its probabilities. Told beside:
/// adjusted Rand index of clusters and classes on the test rows, with groups that of clusters and groups (a large one: features follow the
/// patient or slide), and with sites that of clusters and sites and PathoROB's clustering score, classes less sites.
///
/// Errors   as kmeans.
/// Checked  tests/eval/test_protocols.cpp.
ProtocolResult run_clusters(const ClusterProtocol& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
