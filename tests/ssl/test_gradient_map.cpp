#include "core/base/error.h"
#include "ssl/gradient_map.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

TEST(GradientMap, OfARampIsItsSlope) {
  const Tensor rows = at::arange(7, at::kDouble).view({1, 1, 7, 1}).expand({2, 1, 7, 5}), cols = at::arange(5, at::kDouble).view({1, 1, 1, 5});
  const Tensor image = at::cat({3 * rows, rows + at::zeros({2, 1, 7, 5}), 4 * cols.expand({2, 1, 7, 5}), 3 * rows + 4 * cols}, 1);
  const Tensor inside = gradient_map(image).slice(2, 1, 6).slice(3, 1, 4);
  for (const auto& [channel, slope] : {std::pair(0, 3.0), std::pair(1, 1.0), std::pair(2, 4.0), std::pair(3, 5.0)})
    EXPECT_TRUE(inside.select(1, channel).allclose(at::full({2, 5, 3}, slope, at::kDouble), 1e-12, 1e-12)) << channel;
  EXPECT_EQ(gradient_map(image).sizes(), image.sizes());
}

TEST(GradientMap, OfAConstantIsZeroUpToTheBorder) {
  EXPECT_EQ(gradient_map(at::full({1, 3, 4, 6}, 2.5)).abs().max().item<double>(), 0);
  EXPECT_EQ(gradient_map(at::ones({1, 3, 4, 6}, at::kBFloat16)).scalar_type(), at::kFloat);
  EXPECT_THROW(gradient_map(at::ones({3, 4, 6})), Error);
}

/// A quarter turn of the image turns its map.
TEST(GradientMap, TurnsWithTheImage) {
  const Tensor image = at::randn({2, 3, 6, 6}, at::kDouble);
  EXPECT_TRUE(gradient_map(image.rot90(1, {2, 3})).allclose(gradient_map(image).rot90(1, {2, 3}), 1e-12, 1e-12));
}

}  // namespace
}  // namespace eosin::ssl
