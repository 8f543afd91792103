#include "core/kernels/adamw.h"

#include "core/base/error.h"
#include "core/tensor/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace eosin::kernels {
namespace {

/// Parameters of odd sizes (one longer than a chunk, one empty, one scalar) with gradients that a seed fixes.
struct Problem {
  std::vector<Tensor> p, g, m, v, vmax, ema;

  explicit Problem(at::ScalarType type, bool amsgrad = false, bool ema_too = false) {
    at::manual_seed(7);
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{}, {0}, {13}, {3, 5, 7}, {211, 173}, {37, 1009}}) {
      p.push_back(at::randn(shape, type));
      g.push_back(at::randn(shape, type));
      m.push_back(at::zeros(shape, type));
      v.push_back(at::zeros(shape, type));
      vmax.push_back(amsgrad ? at::zeros(shape, type) : Tensor());
      ema.push_back(ema_too ? p.back().clone() : Tensor());
    }
  }

  std::vector<AdamWTensor> at_step(int64_t step, double lr, double weight_decay) const {
    std::vector<AdamWTensor> out;
    for (size_t i = 0; i < p.size(); ++i) out.push_back({p[i], g[i], m[i], v[i], vmax[i], ema[i], step, lr, weight_decay, 1.0});
    return out;
  }
};

constexpr double kLr = 3e-3, kDecay = 0.04;
const AdamWOptions kOptions{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .ema_momentum = 0.75};

void expect_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << "parameter " << i;
}

class AdamWAgainstTorch : public ::testing::TestWithParam<std::tuple<at::ScalarType, bool>> {};

TEST_P(AdamWAgainstTorch, FiveStepsAgree) {
  const auto [type, amsgrad] = GetParam();
  Problem ours(type, amsgrad), theirs(type, amsgrad);
  std::vector<Tensor> steps;
  for (size_t i = 0; i < theirs.p.size(); ++i) steps.push_back(at::zeros({}, at::kFloat));
  for (int64_t step = 1; step <= 5; ++step) {
    adamw_step(ours.at_step(step, kLr, kDecay), kOptions);
    for (auto& s : steps) s += 1;
    at::_fused_adamw_(theirs.p, theirs.g, theirs.m, theirs.v, amsgrad ? theirs.vmax : std::vector<Tensor>{}, steps, kLr, kOptions.beta1,
                      kOptions.beta2, kDecay, kOptions.eps, amsgrad, false);
    for (size_t i = 0; i < ours.p.size(); ++i) {
      ours.g[i] = -0.5 * ours.g[i] + 0.1 * step;
      theirs.g[i] = -0.5 * theirs.g[i] + 0.1 * step;
    }
  }
  const double tolerance = type == at::kFloat ? 2e-6 : 1e-13;
  for (size_t i = 0; i < ours.p.size(); ++i) EXPECT_TRUE(at::allclose(ours.p[i], theirs.p[i], tolerance, tolerance)) << "parameter " << i;
}
INSTANTIATE_TEST_SUITE_P(AllTypes, AdamWAgainstTorch, ::testing::Combine(::testing::Values(at::kFloat, at::kDouble), ::testing::Bool()));

TEST(AdamW, BitsDoNotDependOnThreads) {
  const int threads = at::get_num_threads();
  Problem one(at::kFloat, true, true), three(at::kFloat, true, true);
  at::set_num_threads(1);
  for (int64_t step = 1; step <= 3; ++step) adamw_step(one.at_step(step, kLr, kDecay), kOptions);
  at::set_num_threads(3);
  for (int64_t step = 1; step <= 3; ++step) adamw_step(three.at_step(step, kLr, kDecay), kOptions);
  at::set_num_threads(threads);
  expect_equal(one.p, three.p);
  expect_equal(one.ema, three.ema);
  expect_equal(one.vmax, three.vmax);
}

TEST(AdamW, EmaFollowsTheNewParameters) {
  Problem with(at::kDouble, false, true), without(at::kDouble);
  const std::vector<Tensor> before = with.ema;
  std::vector<Tensor> want;
  for (const auto& e : before) want.push_back(e.clone());
  adamw_step(with.at_step(1, kLr, kDecay), kOptions);
  adamw_step(without.at_step(1, kLr, kDecay), kOptions);
  expect_equal(with.p, without.p);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(at::allclose(with.ema[i], 0.75 * want[i] + 0.25 * with.p[i], 1e-15, 1e-15));
}

TEST(AdamW, EmaThatMovesAloneHasTheSameBits) {
  Problem together(at::kFloat, false, true), apart(at::kFloat);
  std::vector<Tensor> averages;
  for (const Tensor& p : apart.p) averages.push_back(p.clone());
  for (int64_t step = 1; step <= 3; ++step) {
    adamw_step(together.at_step(step, kLr, kDecay), kOptions);
    adamw_step(apart.at_step(step, kLr, kDecay), kOptions);
    std::vector<AdamWTensor> alone(averages.size());
    for (size_t i = 0; i < alone.size(); ++i) alone[i].p = apart.p[i], alone[i].ema = averages[i];
    adamw_step(alone, kOptions);
  }
  expect_equal(together.p, apart.p);
  expect_equal(together.ema, averages);
}

TEST(AdamW, EmaIsExactAtItsEnds) {
  const auto moved = [](double momentum) {
    Problem x(at::kFloat, false, true);
    for (Tensor& e : x.ema) e = e * 3 + 1;
    const std::vector<Tensor> before = {x.ema[2].clone()};
    adamw_step(x.at_step(1, kLr, kDecay), {.ema_momentum = momentum});
    return std::array<Tensor, 3>{before[0], x.ema[2], x.p[2]};
  };
  const auto stays = moved(1), copies = moved(0);
  EXPECT_TRUE(stays[1].equal(stays[0]));
  EXPECT_TRUE(copies[1].equal(copies[2]));
}

TEST(AdamW, GradScaleIsAppliedFirst) {
  Problem scaled(at::kFloat), plain(at::kFloat);
  auto list = scaled.at_step(1, kLr, kDecay);
  for (auto& t : list) t.grad_scale = 0.25;
  for (auto& g : plain.g) g = g * 0.25;
  adamw_step(list, kOptions);
  adamw_step(plain.at_step(1, kLr, kDecay), kOptions);
  expect_equal(scaled.p, plain.p);
  expect_equal(scaled.v, plain.v);
}

TEST(AdamW, NotANumberReachesTheParameter) {
  Problem x(at::kFloat, true);
  x.g[2][4] = std::nan("");
  adamw_step(x.at_step(1, kLr, kDecay), kOptions);
  EXPECT_EQ(x.p[2].isnan().sum().item<int64_t>(), 1);
  EXPECT_EQ(x.vmax[2].isnan().sum().item<int64_t>(), 1);
}

TEST(AdamW, RefusesWhatDoesNotFit) {
  const auto refused = [](auto change) {
    Problem x(at::kFloat);
    auto list = x.at_step(1, kLr, kDecay);
    change(list[4]);
    EXPECT_THROW(adamw_step(list, kOptions), Error);
    EXPECT_TRUE(at::equal(x.p[3], Problem(at::kFloat).p[3])) << "nothing may change before all is checked";
  };
  refused([](AdamWTensor& t) { t.g = at::zeros({3}); });
  refused([](AdamWTensor& t) { t.g = t.g.to(at::kDouble); });
  refused([](AdamWTensor& t) { t.m = t.m.t(); });
  refused([](AdamWTensor& t) { t.v = Tensor(); });
  refused([](AdamWTensor& t) { t.g = Tensor(); });
  refused([](AdamWTensor& t) { t.g = t.m = t.v = Tensor(); });  // nothing is left to do
  refused([](AdamWTensor& t) { t.step = 0; });
  refused([](AdamWTensor& t) { t.p = t.p.to(at::kHalf); });
}

class AdamWOnCuda : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(AdamWOnCuda, HasTheBitsOfTheCpu) {
  if (!device::cuda().available) GTEST_SKIP() << device::cuda().why_not;
  Problem cpu(GetParam(), true, true), gpu(GetParam(), true, true);
  for (auto* list : {&gpu.p, &gpu.g, &gpu.m, &gpu.v, &gpu.vmax, &gpu.ema})
    for (auto& t : *list) t = t.to(at::kCUDA);
  for (int64_t step = 1; step <= 3; ++step) {
    adamw_step(cpu.at_step(step, kLr, kDecay), kOptions);
    adamw_step(gpu.at_step(step, kLr, kDecay), kOptions);
  }
  for (auto* list : {&gpu.p, &gpu.ema})
    for (auto& t : *list) t = t.cpu();
  expect_equal(gpu.p, cpu.p);
  expect_equal(gpu.ema, cpu.ema);
}
INSTANTIATE_TEST_SUITE_P(AllTypes, AdamWOnCuda, ::testing::Values(at::kFloat, at::kDouble));

}  // namespace
}  // namespace eosin::kernels
