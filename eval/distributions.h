#pragma once
// Distribution functions that tests and intervals need, to about 1e-13.
#include <cstdint>

namespace eosin::eval {

/// Distribution function of the standard normal, and its inverse.
double normal_cdf(double x);
double normal_quantile(double p);
/// P(X > x) of chi-square. Checked  tests/eval/test_distributions.cpp against scipy.
double chi_square_sf(double x, double degrees);
/// P(X > t) of Student's t, and t with P(X <= t) = p.
double student_t_sf(double t, double degrees);
double student_t_quantile(double p, double degrees);
/// P(X <= k) of n draws that each succeed with probability p.
double binomial_cdf(int64_t k, int64_t n, double p);

/// What a test says.
struct TestResult {
  double statistic = 0, p_value = 1;
};

}  // namespace eosin::eval
