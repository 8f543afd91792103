#include "optim/clip.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::optim {
namespace {

TEST(ClipByNorm, ScalesOnlyGroupsAboveTheBound) {
  std::vector<Tensor> grads = {at::full({3}, 4.0), at::full({2, 2}, 0.5), at::full({}, 3.0)};
  const Tensor norms = clip_by_norm(grads, {{0, 2}, {1}}, 2.0);
  EXPECT_NEAR(norms[0].item<double>(), std::sqrt(3 * 16 + 9.0), 1e-5);
  EXPECT_NEAR(at::stack({grads[0].norm(), grads[2].norm()}).norm().item<double>(), 2.0, 1e-5);
  EXPECT_TRUE(at::equal(grads[1], at::full({2, 2}, 0.5)));
}

/// As torch.nn.utils.clip_grad_norm_: max_norm / (norm + 1e-6).
TEST(ClipByNorm, AddsAMillionthToTheNorm) {
  std::vector<Tensor> grads = {at::full({1}, 1e-4, at::kDouble)};
  clip_by_norm(grads, global(1), 1e-5);
  EXPECT_DOUBLE_EQ(grads[0].item<double>(), 1e-4 * (1e-5 / (1e-4 + 1e-6)));
}

TEST(ClipByNorm, ZeroAndNoGradientsAreHarmless) {
  std::vector<Tensor> none, zero = {at::zeros({5})};
  EXPECT_EQ(clip_by_norm(none, global(0), 1.0).numel(), 1);
  EXPECT_EQ(clip_by_norm(zero, global(1), 1.0).item<double>(), 0.0);
  EXPECT_TRUE(at::equal(zero[0], at::zeros({5})));
}

TEST(GroupNorms, GlobalIsTheNormOfAll) {
  const std::vector<Tensor> grads = {at::full({7}, 2.0), at::full({3, 5}, 1.0)};
  EXPECT_NEAR(group_norms(grads, global(2)).item<double>(), std::sqrt(28.0 + 15.0), 1e-5);
  EXPECT_EQ(group_norms(grads, per_tensor(2)).numel(), 2);
}

}  // namespace
}  // namespace eosin::optim
