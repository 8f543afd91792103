#include "eval/distributions.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace eosin::eval {
namespace {

constexpr double kTiny = 1e-300;
constexpr int kMostTerms = 100000;

/// b0 + a1/(b1 + a2/(b2 + ...)) by Lentz's method as Thompson and Barnett (1986) modified it; term(i) gives {a_i, b_i}.
template <class F>
double continued_fraction(double b0, F term) {
  double f = b0 == 0 ? kTiny : b0, c = f, d = 0;
  for (int i = 1; i < kMostTerms; ++i) {
    const auto [a, b] = term(i);
    d = b + a * d, c = b + a / c;
    if (d == 0) d = kTiny;
    if (c == 0) c = kTiny;
    d = 1 / d;
    f *= c * d;
    if (std::abs(c * d - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return f;
}

struct Term {
  double a, b;
};

/// Gamma(a, x) / Gamma(a): series below the mode (DLMF 8.11.4), continued fraction above it (DLMF 8.9.2).
double upper_gamma_share(double a, double x) {
  if (x <= 0) return 1;
  const double scale = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int i = 1; i < kMostTerms && term > sum * 1e-17; ++i) sum += term *= x / (a + i);
    return 1 - scale * sum;
  }
  return scale / continued_fraction(x + 1 - a, [&](int i) { return Term{-i * (i - a), x + 2 * i + 1 - a}; });
}

/// I_x(a, b) by DLMF 8.17.22, on the side where it converges quickly.
double beta_share(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - beta_share(1 - x, b, a);
  const double scale = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x)) / a;
  return scale / continued_fraction(1, [&](int i) {
           const double m = i / 2;
           if (i % 2 == 0) return Term{m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), 1};
           return Term{-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), 1};
         });
}

}  // namespace

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

double normal_quantile(double p) {
  if (p > 0.5) return -normal_quantile(1 - p);
  double low = -40, high = 0;
  for (double middle; (middle = 0.5 * (low + high)) != low && middle != high;) (normal_cdf(middle) < p ? low : high) = middle;
  return high;
}

double chi_square_sf(double x, double degrees) { return upper_gamma_share(degrees / 2, x / 2); }

double student_t_sf(double t, double degrees) {
  const double tail = 0.5 * beta_share(degrees / (degrees + t * t), degrees / 2, 0.5);
  return t >= 0 ? tail : 1 - tail;
}

double student_t_quantile(double p, double degrees) {
  if (p < 0.5) return -student_t_quantile(1 - p, degrees);
  double low = 0, high = 1;
  while (student_t_sf(high, degrees) > 1 - p && high < 1e300) high *= 2;
  for (double middle; (middle = 0.5 * (low + high)) != low && middle != high;) (student_t_sf(middle, degrees) > 1 - p ? low : high) = middle;
  return high;
}

double binomial_cdf(int64_t k, int64_t n, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return beta_share(1 - p, static_cast<double>(n - k), static_cast<double>(k + 1));
}

}  // namespace eosin::eval
