#pragma once
// `protocol.name: simpleshot`: nearest class mean, and how it learns from few shots.
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

namespace eosin::eval {

struct SimpleShotProtocol {
  bool center = true, normalize = true;
  std::vector<int64_t> shots;
  int64_t episodes = 1000;
  int64_t episode_seed = 0;
  void visit(config::Visitor& v);
};

/// Predictions from all training rows; probabilities are the softmax of minus the squared distances (Snell et al. 2017, eq. 2). For every number of
/// shots, `episodes` supports are drawn from the training rows (all classes, the whole test set as queries, as UNI does) and the balanced accuracies'
/// median and quartiles are told.
///
/// Errors   as Prototypes; Data if a class has fewer training rows than shots.
/// Checked  tests/eval/test_protocols.cpp.
ProtocolResult run_simpleshot(const SimpleShotProtocol& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
