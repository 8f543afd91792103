#include "apps/pictures.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::apps {
namespace {

TEST(PrincipalColors, TellsTheStrongestDirectionsApart) {
  // Two images of 2 x 3 patches: the strongest direction tells left from right, the second top from bottom.
  Tensor tokens = at::zeros({2, 6, 5});
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t row = 0; row < 2; ++row)
      for (int64_t col = 0; col < 3; ++col) {
        tokens[b][row * 3 + col][1] = 10.0 * static_cast<double>(col);
        tokens[b][row * 3 + col][4] = 2.0 * static_cast<double>(row);
      }
  const Tensor colors = principal_colors(tokens + 100, 2, 3);
  ASSERT_EQ(colors.sizes(), (at::IntArrayRef{2, 3, 2, 3}));
  EXPECT_TRUE(colors[0].slice(0, 0, 2).allclose(colors[1].slice(0, 0, 2), 1e-5, 1e-5));
  const Tensor red = colors[0][0], green = colors[0][1];
  EXPECT_TRUE(red[0].allclose(at::tensor({0.0f, 0.5f, 1.0f}), 1e-5, 1e-5)) << red;
  EXPECT_TRUE(red[0].allclose(red[1], 1e-5, 1e-5));
  EXPECT_TRUE(green.allclose(at::tensor({0.0f, 0.0f, 0.0f, 1.0f, 1.0f, 1.0f}).view({2, 3}), 1e-5, 1e-5)) << green;
}

TEST(PrincipalColors, OfTokensThatDoNotVaryAreDark) {
  const Tensor colors = principal_colors(at::ones({1, 4, 2}), 2, 2);
  EXPECT_TRUE(colors.equal(at::zeros({1, 3, 2, 2}))) << colors;
}

}  // namespace
}  // namespace eosin::apps
