#include "core/base/error.h"
#include "eval/lbfgs.h"
#include "eval/linear_probe.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;

struct Blobs {
  Tensor x_ND;
  Ints target;
};

/// Overlapping clouds, `classes` of them in turn.
Blobs blobs(int64_t n, int64_t d, int64_t classes, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  Blobs b{at::randn({n, d}, generator, at::kDouble), Ints(n)};
  for (int64_t i = 0; i < n; ++i) {
    b.target[i] = i % classes;
    b.x_ND[i][b.target[i] % d] += 1.0;
  }
  return b;
}

TEST(Lbfgs, FindsTheMinimumOfRosenbrock) {
  const auto f = [](std::span<const double> x, std::span<double> g) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g[0] = -2 * a - 400 * x[0] * b;
    g[1] = 200 * b;
    return a * a + 100 * b * b;
  };
  const LbfgsResult r = minimize_lbfgs(f, {-1.2, 1});
  EXPECT_TRUE(r.converged);
  EXPECT_NEAR(r.x[0], 1, 1e-7);
  EXPECT_NEAR(r.x[1], 1, 1e-7);
  EXPECT_LT(r.evaluations, 80);
}

TEST(Lbfgs, SaysWhenItStoppedEarlyAndRefusesAStartThatIsNoNumber) {
  const auto quadratic = [](std::span<const double> x, std::span<double> g) {
    double value = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double scale = std::pow(10.0, static_cast<double>(i));
      g[i] = scale * (x[i] - 1), value += 0.5 * scale * (x[i] - 1) * (x[i] - 1);
    }
    return value;
  };
  EXPECT_FALSE(minimize_lbfgs(quadratic, std::vector<double>(5, 0.0), {.max_iterations = 2}).converged);
  EXPECT_TRUE(minimize_lbfgs(quadratic, std::vector<double>(5, 0.0)).converged);
  EXPECT_THROW(minimize_lbfgs(quadratic, {NAN, 0}), Error);
}

TEST(LinearProbe, GradientIsZeroAtTheMinimum) {
  const Blobs b = blobs(211, 13, 3, 1);
  LinearProbeOptions o;
  o.C = 0.7;
  const LinearProbe p = fit_linear_probe(b.x_ND, b.target, 3, o);
  ASSERT_TRUE(p.converged);
  // d/dW of C sum CE + |W|^2 / 2 is C sum (p - y) x^T + W.
  const Matrix prob = p.probabilities(b.x_ND);
  Tensor residual = at::tensor(prob.values, at::kDouble).reshape({211, 3});
  residual -= at::one_hot(at::tensor(b.target), 3);
  const Tensor coef = at::tensor(p.coef.values, at::kDouble).reshape({3, 13});
  EXPECT_LT((0.7 * residual.t().mm(b.x_ND) + coef).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(residual.sum(0).abs().max().item<double>(), 0, 1e-5);
  EXPECT_NEAR(std::accumulate(p.intercept.begin(), p.intercept.end(), 0.0), 0, 1e-9);
}

TEST(LinearProbe, TwoClassesUseOneSigmoid) {
  const Blobs b = blobs(101, 5, 2, 2);
  const LinearProbe p = fit_linear_probe(b.x_ND, b.target, 2);
  EXPECT_EQ(p.coef.rows, 1);
  const Matrix prob = p.probabilities(b.x_ND);
  for (int64_t i = 0; i < prob.rows; ++i) EXPECT_NEAR(prob(i, 0) + prob(i, 1), 1, 1e-15);
}

TEST(LinearProbe, AWeakSignalUnderTheNormGivesExactlyZero) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{3});
  const Tensor x = at::randn({400, 7}, generator, at::kDouble);
  Ints target(400);
  for (int64_t i = 0; i < 400; ++i) target[i] = i % 2;
  LinearProbeOptions o;
  o.penalty = Penalty::L2Norm;
  o.C = 0.1;
  const LinearProbe p = fit_linear_probe(x, target, 2, o);
  EXPECT_EQ(p.coef.rows, 2);
  for (double w : p.coef.values) EXPECT_EQ(w, 0);
  EXPECT_NEAR(p.objective, std::log(2), 1e-12);
}

TEST(LinearProbe, SameBitsForAnyNumberOfThreadsAndFromAWarmStartTheSameMinimum) {
  const Blobs b = blobs(1501, 29, 3, 4);
  const Tensor x = b.x_ND.to(at::kFloat);
  const int before = at::get_num_threads();
  std::vector<LinearProbe> results;
  for (int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    results.push_back(fit_linear_probe(x, b.target, 3));
  }
  at::set_num_threads(before);
  for (const auto& r : results) EXPECT_EQ(r.coef.values, results[0].coef.values);
  LinearProbeOptions other;
  other.C = 0.01;
  const LinearProbe far = fit_linear_probe(x, b.target, 3, other);
  const LinearProbe warm = fit_linear_probe(x, b.target, 3, {}, &far);
  for (size_t i = 0; i < warm.coef.values.size(); ++i) EXPECT_NEAR(warm.coef.values[i], results[0].coef.values[i], 1e-5);
}

TEST(LinearProbe, StandardisingUsesTheTrainingRowsOnly) {
  const Blobs b = blobs(101, 5, 2, 5);
  LinearProbeOptions o;
  o.transform = RowTransform::standardized(b.x_ND);
  const LinearProbe p = fit_linear_probe(b.x_ND, b.target, 2, o);
  LinearProbeOptions scaled = o;
  scaled.transform = RowTransform::standardized(b.x_ND * 100 + 3);
  const LinearProbe q = fit_linear_probe(b.x_ND * 100 + 3, b.target, 2, scaled);
  for (size_t i = 0; i < p.coef.values.size(); ++i) EXPECT_NEAR(p.coef.values[i], q.coef.values[i], 1e-6);
}

TEST(LinearProbe, RefusesBadInput) {
  const Blobs b = blobs(31, 5, 2, 6);
  EXPECT_THROW(fit_linear_probe(b.x_ND, Ints(31, 1), 2), Error);  // one class
  EXPECT_THROW(fit_linear_probe(b.x_ND, b.target, 3), Error);     // class 2 has no sample
  EXPECT_THROW(fit_linear_probe(b.x_ND, Ints{0, 1}, 2), Error);   // lengths
  EXPECT_THROW(fit_linear_probe(at::full({31, 5}, NAN), b.target, 2), Error);
  LinearProbeOptions o;
  o.C = 0;
  EXPECT_THROW(fit_linear_probe(b.x_ND, b.target, 2, o), Error);
  EXPECT_THROW(fit_linear_probe(b.x_ND, b.target, 2).probabilities(at::zeros({3, 4})), Error);
}

}  // namespace
}  // namespace eosin::eval
