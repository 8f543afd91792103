#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Cross-entropy with smoothed labels (Szegedy et al. 2015, arXiv:1512.00567, eq. 3); each sample counts as its class weighs.
///
/// Shapes   logits_NC; labels: N classes (int64), or shares of the classes [N, C]; weight_C or undefined; returns a scalar.
/// Errors   Shape if they do not fit.
/// Differs  from torch's: divided by N, not by the sum of the weights in the batch, so that the mean over ranks is that of one process.
/// Checked  tests/ssl/test_classify.cpp: against torch's, gradcheck.
Tensor classification_loss(const Tensor& logits_NC, const Tensor& labels, double label_smoothing = 0, const Tensor& weight_C = {});

/// Share of the samples whose largest logit is that of their class (of their largest share).
Tensor accuracy(const Tensor& logits_NC, const Tensor& labels);

}  // namespace eosin::ssl
