#include "core/base/rng.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace eosin::nn {
namespace {

TEST(Init, IsAFunctionOfSeedAndName) {
  Tensor a = at::empty({7, 5}), b = at::empty({7, 5}), c = at::empty({7, 5}), d = at::empty({7, 5});
  init_normal(a, 0.02, 3, "head.weight");
  init_normal(b, 0.02, 3, "head.weight");
  init_normal(c, 0.02, 4, "head.weight");
  init_normal(d, 0.02, 3, "head.bias");
  EXPECT_TRUE(a.equal(b));
  EXPECT_FALSE(a.equal(c));
  EXPECT_FALSE(a.equal(d));
}

TEST(Init, DoesNotDependOnThreads) {
  Tensor one = at::empty({100003}), many = at::empty({100003});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  init_normal(one, 1, 5, "x");
  at::set_num_threads(3);
  init_normal(many, 1, 5, "x");
  at::set_num_threads(threads);
  EXPECT_TRUE(one.equal(many));
}

TEST(Init, NormalHasItsMoments) {
  Tensor t = at::empty({200000});
  init_normal(t, 0.02, 1, "w");
  EXPECT_NEAR(t.mean().item<double>(), 0, 2e-4);
  EXPECT_NEAR(t.std().item<double>(), 0.02, 2e-4);
}

TEST(Init, FanInStaysInItsBoundsAndKeepsTheType) {
  Tensor t = at::empty({997, 49}, at::kDouble);
  init_fan_in(t, 49, 2, "proj.weight");
  EXPECT_EQ(t.scalar_type(), at::kDouble);
  EXPECT_LE(t.abs().max().item<double>(), 1.0 / 7);
  EXPECT_GT(t.abs().max().item<double>(), 0.999 / 7);
  EXPECT_NEAR(t.mean().item<double>(), 0, 2e-3);
}

}  // namespace
}  // namespace eosin::nn
