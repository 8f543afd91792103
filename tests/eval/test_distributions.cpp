#include "eval/distributions.h"
#include "eval/ranks.h"

#include <gtest/gtest.h>

#include <cmath>

namespace eosin::eval {
namespace {

TEST(Distributions, NormalQuantileInvertsTheDistribution) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-12);
  for (double p : {1e-9, 0.01, 0.3, 0.8, 0.9999}) EXPECT_NEAR(normal_cdf(normal_quantile(p)), p, 1e-14);
}

// Values of scipy.stats 1.17.
TEST(Distributions, ChiSquare) {
  EXPECT_NEAR(chi_square_sf(3.84, 1), 0.05004352124870519, 1e-14);
  EXPECT_NEAR(chi_square_sf(20, 7), 0.005569683072945574, 1e-15);
  EXPECT_NEAR(chi_square_sf(0.01, 3), 0.9997348349413444, 1e-14);
  EXPECT_NEAR(chi_square_sf(120, 9) / 1.336164776532522e-21, 1, 1e-11);
  EXPECT_EQ(chi_square_sf(0, 5), 1);
  for (double x : {0.5, 2.0, 40.0}) EXPECT_NEAR(chi_square_sf(x, 2), std::exp(-x / 2), 1e-14);
}

TEST(Distributions, StudentT) {
  EXPECT_NEAR(student_t_sf(2, 4), 0.05805826175840778, 1e-14);
  EXPECT_NEAR(student_t_sf(0.1, 1), 0.4682744825694465, 1e-14);
  EXPECT_NEAR(student_t_sf(30, 6) / 4.549573522221689e-08, 1, 1e-11);
  EXPECT_NEAR(student_t_sf(-2, 4), 1 - student_t_sf(2, 4), 1e-15);
  EXPECT_NEAR(student_t_quantile(0.975, 4), 2.7764451051977934, 1e-11);
  EXPECT_NEAR(student_t_quantile(0.025, 4), -2.7764451051977934, 1e-11);
}

TEST(Distributions, BinomialIsTheSumOfItsTerms) {
  EXPECT_NEAR(binomial_cdf(7, 20, 0.5), 0.13158798217773438, 1e-14);
  EXPECT_NEAR(binomial_cdf(480, 1000, 0.5), 0.10872414660207075, 1e-12);
  EXPECT_EQ(binomial_cdf(0, 0, 0.5), 1);
  double sum = 0, term = std::pow(0.7, 13);
  for (int k = 0; k <= 13; ++k) {
    sum += term;
    EXPECT_NEAR(binomial_cdf(k, 13, 0.3), sum, 1e-13);
    term *= (13.0 - k) / (k + 1) * 0.3 / 0.7;
  }
}

TEST(Ranks, TiesShareTheirMean) {
  const Ranks r = average_ranks(std::vector<double>{3, 1, 3, 2, 3});
  EXPECT_EQ(r.rank, (std::vector<double>{4, 1, 4, 2, 4}));
  EXPECT_EQ(r.ties, 24);
}

}  // namespace
}  // namespace eosin::eval
