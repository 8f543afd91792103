#pragma once
// p-values of several tests, corrected for there being several.
#include <span>
#include <vector>

namespace eosin::eval {

/// Holm 1979: the chance of any false rejection stays below the level. Sorted ascending, adj_(i) = max over j <= i of (K - j + 1) p_(j),
/// at most 1; returned in the order of the input. A test is rejected where adjusted <= alpha.
///
/// Errors   Data: no p-value, or one outside [0, 1].
/// Checked  golden eval.holm.
std::vector<double> holm(std::span<const double> p_values);

/// Benjamini and Hochberg 1995: the expected share of false rejections stays below the level. adj_(i) = min over j >= i of K p_(j) / j.
///
/// Errors   as holm.
/// Checked  golden eval.benjamini_hochberg.
std::vector<double> benjamini_hochberg(std::span<const double> p_values);

/// adjusted <= alpha. Errors   Config if alpha is outside (0, 1).
std::vector<bool> rejected(std::span<const double> adjusted, double alpha = 0.05);

}  // namespace eosin::eval
