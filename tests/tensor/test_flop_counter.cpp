#include "core/tensor/flop_counter.h"

#include "core/tensor/tensor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin {
namespace {

/// Of forward and backward.
template <class Work>
std::pair<double, double> count(const Work& work) {
  Tensor out;
  double forward = 0;
  {
    const FlopCounter counter;
    out = work();
    forward = counter.flops();
  }
  const FlopCounter counter;
  out.sum().backward();
  return {forward, counter.flops()};
}

Tensor leaf(at::IntArrayRef sizes) { return at::randn(sizes).requires_grad_(); }

TEST(FlopCounter, linear_is_two_a_multiplication_and_twice_that_backward) {
  for (const bool biased : {true, false}) {
    const Tensor x = leaf({5, 7, 11}), w = leaf({13, 11}), b = biased ? leaf({13}) : Tensor();
    const auto [forward, backward] = count([&] { return at::linear(x, w, b); });
    EXPECT_EQ(forward, 2.0 * 5 * 7 * 11 * 13);
    EXPECT_EQ(backward, 2 * forward);
  }
}

TEST(FlopCounter, attention_is_two_products_and_four_backward) {
  const Tensor q = leaf({2, 3, 17, 8}), k = leaf({2, 3, 17, 8}), v = leaf({2, 3, 17, 8});
  const auto [forward, backward] = count([&] { return at::scaled_dot_product_attention(q, k, v); });
  EXPECT_EQ(forward, 2 * 2.0 * 2 * 3 * 17 * 17 * 8);
  EXPECT_EQ(backward, 2 * forward);
}

TEST(FlopCounter, convolution_counts_the_gradients_that_are_asked_for) {
  const Tensor images = at::randn({2, 3, 20, 15}), w = leaf({7, 3, 5, 5});
  const auto [forward, backward] = count([&] { return at::conv2d(images, w, {}, 5); });
  EXPECT_EQ(forward, 2.0 * 2 * (4 * 3) * 7 * (3 * 25));
  EXPECT_EQ(backward, forward);
  const Tensor x = leaf({2, 3, 9, 9});
  const auto [padded, both] = count([&] { return at::conv2d(x, w, {}, 2, 2); });
  EXPECT_EQ(padded, 2.0 * 2 * (5 * 5) * 7 * (3 * 25));
  EXPECT_EQ(both, 2 * padded);
}

TEST(FlopCounter, counts_nothing_else_and_starts_from_nothing) {
  const Tensor x = at::randn({19, 19});
  {
    const FlopCounter counter;
    x.exp().add(x).softmax(-1);
    EXPECT_EQ(counter.flops(), 0);
    x.matmul(x);
    EXPECT_EQ(counter.flops(), 2.0 * 19 * 19 * 19);
  }
  x.matmul(x);
  const FlopCounter counter;
  EXPECT_EQ(counter.flops(), 0);
}

}  // namespace
}  // namespace eosin
