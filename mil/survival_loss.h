#pragma once
// Survival from censored follow-up: discrete hazards and Cox's partial likelihood.
#include "core/tensor/tensor.h"

#include <string>
#include <vector>

namespace eosin::mil {

/// h = sigmoid(logits), S_k = prod_{j <= k} (1 - h_j), risk = -sum_k S_k.
struct DiscreteHazards {
  Tensor hazards_BK, survival_BK, risk_B;
};
DiscreteHazards discrete_hazards(const Tensor& logits_BK);

struct DiscreteLoss {
  double alpha = 0, eps = 1e-7;  // alpha: weight taken from all terms and given to the uncensored ones. Released recipes use 0
};
/// Negative log-likelihood of the bin in which the event lies, or up to which the patient was seen (Zadeh and Schmid 2021; MCAT's nll_loss).
/// `censored_B` is 1 where the event was not observed. A clamped logarithm has no gradient.
///
/// Shapes   logits_BK, bin_B int64, censored_B int64 or bool -> [B].
/// Errors   Shape if the shapes do not fit; Data if a bin is not within 0 ... K-1.
/// Checked  golden survival.nll_discrete; tests/mil/test_losses.cpp.
Tensor nll_discrete(const Tensor& logits_BK, const Tensor& bin_B, const Tensor& censored_B, const DiscreteLoss& loss = {});

/// MCAT's cross-entropy form of the same, with its epsilons.
///
/// Checked  golden survival.ce_discrete.
Tensor ce_discrete(const Tensor& logits_BK, const Tensor& bin_B, const Tensor& censored_B, const DiscreteLoss& loss = {});

struct CoxOptions {
  std::string ties = "efron";      // "breslow"
  std::string reduction = "mean";  // over events (not over distinct times, as one peer has it); "sum"
};
/// Cox's negative partial log-likelihood over all patients of a step (Breslow 1974, Efron 1977), in each stratum by itself. The risk set of an
/// event holds the patients censored at that very time. Without events it is 0 and has no gradient.
///
/// Shapes   log_hazard_N, event_N bool, time_N, strata_N int64 or undefined -> scalar, computed in float64.
/// Errors   Shape if the lengths differ; Data if a time is not finite; Config for another word in the options.
/// Checked  golden survival.cox; tests/mil/test_losses.cpp.
Tensor cox_loss(const Tensor& log_hazard_N, const Tensor& event_N, const Tensor& time_N, const Tensor& strata_N = {}, const CoxOptions& options = {});

/// Bins of follow-up time: the quantiles 0, 1/K, ..., 1 of the uncensored times, the outer edges widened to all times by `eps`.
struct TimeBins {
  std::vector<double> edges;  // K + 1
  /// edges[i] <= time < edges[i + 1]; times outside go to the outer bins.
  int64_t bin_of(double time) const;
};
/// Cut on the training part; the peers cut on the whole cohort, which leaks.
///
/// Errors   Data if the uncensored times have fewer distinct values than bins (says how many), or a time is not finite.
/// Checked  golden survival.discretise; tests/mil/test_losses.cpp.
TimeBins cut_time_bins(const std::vector<double>& times, const std::vector<bool>& censored, int64_t n_bins, double eps = 1e-6);

}  // namespace eosin::mil
