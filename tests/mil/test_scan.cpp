#include "mil/scan.h"

#include "core/base/error.h"
#include "tests/gradcheck.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

/// The recurrence written down.
Tensor plain_scan(const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c) {
  Tensor state = at::zeros({u.size(0), u.size(1), a.size(1)}, u.options());
  std::vector<Tensor> y;
  for (int64_t l = 0; l < u.size(2); ++l) {
    const Tensor d = delta.select(2, l).unsqueeze(2);
    state = (d * a).exp() * state + d * b.select(2, l).unsqueeze(1) * u.select(2, l).unsqueeze(2);
    y.push_back((state * c.select(2, l).unsqueeze(1)).sum(2));
  }
  return at::stack(y, 2);
}

ScanInputs inputs(int64_t batch, int64_t d, int64_t n, int64_t length) {
  ScanInputs in;
  in.u_BdL = at::randn({batch, d, length}, at::kDouble), in.delta_BdL = at::rand({batch, d, length}, at::kDouble) + 0.1;
  in.a_dn = -at::rand({d, n}, at::kDouble), in.b_BnL = at::randn({batch, n, length}, at::kDouble),
  in.c_BnL = at::randn({batch, n, length}, at::kDouble);
  return in;
}

TEST(SelectiveScan, IsTheRecurrenceAcrossItsChunks) {
  const ScanInputs in = inputs(2, 11, 3, 201);
  EXPECT_TRUE(at::allclose(selective_scan(in), plain_scan(in.u_BdL, in.delta_BdL, in.a_dn, in.b_BnL, in.c_BnL), 1e-10, 1e-10));
}

TEST(SelectiveScan, HasGradients) {
  ScanInputs in = inputs(2, 3, 2, 131);
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (auto [name, t] : {std::pair{"u", &in.u_BdL}, {"delta", &in.delta_BdL}, {"a", &in.a_dn}, {"b", &in.b_BnL}, {"c", &in.c_BnL}})
    leaves.emplace_back(name, t->requires_grad_());
  expect_gradients([&] { return selective_scan(in).square().sum(); }, leaves, 6, 1e-5);
}

TEST(SelectiveScan, HasTheSameBitsForAnyThreads) {
  ScanInputs in = inputs(1, 17, 3, 150);
  in.u_BdL.requires_grad_(), in.b_BnL.requires_grad_();
  const int threads = at::get_num_threads();
  std::vector<Tensor> results;
  for (const int n : {1, 3}) {
    at::set_num_threads(n);
    in.u_BdL.mutable_grad() = Tensor(), in.b_BnL.mutable_grad() = Tensor();
    selective_scan(in).square().sum().backward();
    results.push_back(in.b_BnL.grad().clone());
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

TEST(SelectiveScan, RefusesOtherShapes) {
  ScanInputs in = inputs(1, 3, 2, 5);
  in.b_BnL = in.b_BnL.narrow(2, 0, 4);
  EXPECT_THROW(selective_scan(in), Error);
}

TEST(DiagonalScan, IsAConvolutionWithItsKernel) {
  const int64_t length = 150;
  const Tensor u = at::randn({2, length}, at::kDouble), a_re = at::rand({2, 3}, at::kDouble) * 0.6, a_im = at::rand({2, 3}, at::kDouble) * 0.6;
  const Tensor c_re = at::randn({2, 3}, at::kDouble), c_im = at::randn({2, 3}, at::kDouble);
  const Tensor a = at::complex(a_re, a_im), c = at::complex(c_re, c_im);
  Tensor want = at::zeros({2, length}, at::kDouble);
  for (int64_t lag = 0; lag < length; ++lag) {
    const Tensor k = 2 * at::real((c * a.pow(static_cast<double>(lag))).sum(1));
    want.narrow(1, lag, length - lag) += k.unsqueeze(1) * u.narrow(1, 0, length - lag);
  }
  EXPECT_TRUE(at::allclose(diagonal_scan(u, a_re, a_im, c_re, c_im), want, 1e-10, 1e-10));
}

TEST(DiagonalScan, HasGradients) {
  std::vector<Tensor> in = {at::randn({2, 70}, at::kDouble)};
  for (int i = 0; i < 4; ++i) in.push_back(at::rand({2, 3}, at::kDouble) * 0.6);
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (size_t i = 0; i < in.size(); ++i) leaves.emplace_back(std::to_string(i), in[i].requires_grad_());
  expect_gradients([&] { return diagonal_scan(in[0], in[1], in[2], in[3], in[4]).square().sum(); }, leaves, 6, 1e-5);
}

}  // namespace
}  // namespace eosin::mil
