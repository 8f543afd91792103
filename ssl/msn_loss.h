#pragma once
// The loss of masked siamese networks (Assran et al. 2022, arXiv:2204.07141): anchors are to fall on the prototypes of their image's target.
#include "core/tensor/comm.h"

#include <ATen/TensorOperators.h>

#include <memory>

namespace eosin::ssl {

struct MsnLossOptions {
  double temperature = 0.1, sharpen_temperature = 0.25;
  int64_t sinkhorn_iterations = 3;
  double memax_weight = 1.0;
};

/// Where the targets fall: y = softmax(t . q / temperature) with both normalised, sharpened to y^(1 / sharpen_temperature) / sum, then rounds of
/// Sinkhorn-Knopp on y itself, so that the prototypes share the rows of all ranks evenly. Without gradient.
///
/// Shapes   targets_BD, prototypes_KD -> probabilities_BK, of my rows.
/// Errors   Shape if the widths differ.
Tensor msn_targets(const Tensor& targets_BD, const Tensor& prototypes_KD, const MsnLossOptions& options, Comm& comm);

struct MsnTerms {
  Tensor cross_entropy, memax;  // already weighted
  Tensor total() const { return cross_entropy + memax; }
};

/// mean over the rows of CE(y, p) + memax_weight * (log K - entropy of the mean row of p), p = softmax(anchors . prototypes / temperature).
/// The cross-entropy is of my rows; the mean row is that of all ranks.
///
/// Shapes   anchors_ND with N = V * B, view-major; prototypes_KD; targets_BK, my rows of msn_targets().
/// Errors   Shape if N is no multiple of B or the widths differ.
/// Differs  log p is a log-softmax; the reference takes the logarithm of p, which is infinite where p underflows.
/// Checked  golden ssl.msn; tests/ssl/test_msn.cpp: gradcheck, two ranks.
MsnTerms msn_loss(const Tensor& anchors_ND, const Tensor& prototypes_KD, const Tensor& targets_BK, const MsnLossOptions& options,
                  const std::shared_ptr<Comm>& comm);

}  // namespace eosin::ssl
