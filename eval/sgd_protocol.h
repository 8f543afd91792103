#pragma once
// `protocol.name: linear_sgd`: linear heads trained by SGD at many rates on many inputs, the best on held-out training patients (DINOv2).
#include "core/base/config.h"
#include "eval/labelled_set.h"
#include "eval/protocol_result.h"

namespace eosin::eval {

struct SgdProtocol {
  std::string inputs = "whole";
  std::vector<double> rates = {1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1};
  int64_t iterations = 12500, batch_size = 128, inner_folds = 5, start_seed = 0;
  void visit(config::Visitor& v);
};

/// DINOv2's linear evaluation (Oquab et al. 2023, arXiv:2304.07193; its linear.py) on stored features. Every head is one linear layer, weights drawn
/// with deviation 0.01, bias 0; SGD with momentum 0.9, no decay, rate * batch_size / 256 falling to 0 by a cosine. The head with the highest accuracy
/// on the validation rows predicts as it is; these are the rows of part val where the test rows are others, else one of `inner_folds` folds of the
/// training groups. Of equal ones the narrowest counts, then the lowest rate.
///
/// Inputs    whole: all of a row. last4: a row is what `embed pooling=last4` makes, and heads see the class token of the last block or those of the
///           last four, each with and without the mean of the patches.
/// Differs   features are made once, of undistorted pictures: DINOv2 trains on random crops, mirrored.
/// Errors    Data: a class without training rows, a width that is no row of last4.
/// Checked   tests/eval/test_sgd_protocol.cpp: steps one by one, threads.
ProtocolResult run_sgd(const SgdProtocol& protocol, const LabelledSet& train, const LabelledSet& test);

}  // namespace eosin::eval
