#pragma once
// Losses of rows of logits, for tasks with classes: one value a row.
#include "core/tensor/tensor.h"

#include <optional>

namespace eosin::mil {

/// -log softmax(logits)_y.
///
/// Shapes   logits_MC, labels_M int64 -> [M].
/// Errors   Shape if the shapes do not fit; Data if a label is not within 0 ... C-1.
Tensor cross_entropy(const Tensor& logits_MC, const Tensor& labels_M);

struct BceWeights {
  Tensor pos_weight_C;  // of the positive term, #negative / #positive re-balances; undefined: 1
  double weight = 1;    // of the whole loss. DSMIL's script for classic sets hands its pos_weight to this argument, which balances nothing
};
/// Binary cross-entropy with logits, mean over classes (multi-label).
///
/// Shapes   logits_MC, targets_MC in [0, 1] -> [M].
/// Checked  golden mil.dsmil; tests/mil/test_losses.cpp.
Tensor multi_label_loss(const Tensor& logits_MC, const Tensor& targets_MC, const BceWeights& weights = {});

/// -(y log p + (1-y) log(1-p)) with p clamped to [clamp, 1-clamp]: no gradient where the clamp is active (Ilse et al. 2018, their code).
///
/// Shapes   prob_M, targets_M -> [M].
/// Checked  golden mil.abmil_bernoulli.
Tensor bernoulli_nll(const Tensor& prob_M, const Tensor& targets_M, double clamp = 1e-5);

struct SmoothSvm {
  double alpha = 1, tau = 1, thresh = 1000;
};
/// Smooth top-1 SVM (Berrada et al. 2018, arXiv:1802.07595): tau log sum_j exp(s_j / tau) with margins s_j = x_j + alpha [j != y] - x_y; the
/// hard max_j s_j where the two largest of x lie at least tau ln(thresh) apart.
///
/// Shapes   x_MC with C > 1, labels_M -> [M].
/// Differs  nothing; the switch compares raw scores, not the margin-augmented ones, as the authors' code does.
/// Checked  golden mil.smooth_top1_svm.
Tensor smooth_top1_svm(const Tensor& x_MC, const Tensor& labels_M, const SmoothSvm& svm = {});

/// -(1 - p_y)^gamma log p_y (Lin et al. 2017, arXiv:1708.02002), p = softmax; gamma 0 is cross-entropy.
///
/// Shapes   logits_MC, labels_M -> [M].
Tensor focal_loss(const Tensor& logits_MC, const Tensor& labels_M, double gamma = 2);

/// Adds tau log(prior) to the logits, for training (Menon et al. 2021, arXiv:2007.07314); prediction uses them as they are.
///
/// Shapes   counts_C of the training part; all positive.
/// Errors   Data if a class has no example.
Tensor adjust_logits(const Tensor& logits_MC, const Tensor& counts_C, double tau = 1);

/// Ordered classes as C - 1 questions "above c?" (Cheng et al. 2008; the sum of their binary cross-entropies).
///
/// Shapes   logits [M, C-1], labels_M in 0 ... C-1 -> [M].
Tensor ordinal_loss(const Tensor& logits_MK, const Tensor& labels_M);
/// P(class = c), from sorted answers, so that none is negative.
///
/// Shapes   logits [M, C-1] -> [M, C].
Tensor ordinal_probabilities(const Tensor& logits_MK);

}  // namespace eosin::mil
