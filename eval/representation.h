#pragma once
// Health of a representation: how many directions the features use.
#include "core/tensor/tensor.h"

#include <span>
#include <vector>

namespace eosin::eval {

/// Singular values in descending order, in float64; the same bits for any number of threads.
///
/// Shapes   x_ND any floating type on the CPU.
/// Errors   Shape if x is no matrix. Data if it is empty or holds a value that is not finite.
std::vector<double> singular_values(const Tensor& x_ND, bool center);

/// ToShare  p = s / sum(s) + eps, as published.   ToSum  p = s / (sum(s) + eps), over positive s, as others do.
enum class EpsPlace { ToShare, ToSum };
/// exp(-sum p ln p) of the singular values, not centred (RankMe, Garrido et al. 2023, arXiv:2210.02885).
///
/// Errors   Numeric if every singular value is 0.
/// Checked  golden eval.rankme, ssl.rankme.
double rankme(std::span<const double> singular, double eps = 1e-7, EpsPlace place = EpsPlace::ToShare);

struct Rank {
  double effective = 0;      // exp(entropy of s / sum(s)), 0 ln 0 = 0 (Roy and Vetterli 2007)
  double stable = 0;         // sum(s^2) / s1^2
  double participation = 0;  // sum(s^2)^2 / sum(s^4)
};
/// Errors   Numeric if every singular value is 0.
/// Checked  golden eval.effective_rank.
Rank rank_of(std::span<const double> singular);

/// Mean cosine of all pairs of different rows; near 1 when features collapse to one direction.
///
/// Errors   as singular_values; Data for fewer than 2 rows or a row of length 0.
double mean_pairwise_cosine(const Tensor& x_ND);
/// Share of columns whose standard deviation is below `least`.
double collapsed_share(const Tensor& x_ND, double least = 1e-3);

}  // namespace eosin::eval
