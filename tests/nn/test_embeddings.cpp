// Position tables and patch kernels at other sizes.
#include "core/base/error.h"
#include "core/nn/patch_embed.h"
#include "core/nn/patch_embed_resample.h"
#include "core/nn/pos_embed.h"
#include "core/nn/sincos_pos_embed.h"
#include "tests/gradcheck.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

TEST(PosEmbed, KeepsPrefixAndAnUnchangedGrid) {
  const Tensor table = at::randn({1, 2 + 3 * 5, 7});
  EXPECT_TRUE(resample_pos_embed(table, {3, 5}, {3, 5}, 2, {}).is_same(table));
  const Tensor other = resample_pos_embed(table, {3, 5}, {7, 2}, 2, {});
  EXPECT_EQ(other.sizes(), (std::vector<int64_t>{1, 2 + 14, 7}));
  EXPECT_TRUE(other.slice(1, 0, 2).equal(table.slice(1, 0, 2)));
}

TEST(PosEmbed, ConstantTableStaysConstantEveryWay) {
  const Tensor table = at::full({1, 4 * 4, 3}, 2.5);
  for (const PosResample how : {PosResample{true, 0}, PosResample{false, 0.1}, PosResample{false, 0}})
    EXPECT_TRUE(resample_pos_embed(table, {4, 4}, {7, 3}, 0, how).allclose(at::full({1, 21, 3}, 2.5)));
}

TEST(PosEmbed, NamesTheGridThatDoesNotFit) {
  const auto what = message_of([] { resample_pos_embed(at::zeros({1, 17, 3}), {3, 5}, {2, 2}, 1, {}); }, ErrorKind::Shape);
  EXPECT_THAT(what, HasSubstr("17 rows"));
  EXPECT_THAT(what, HasSubstr("3x5"));
}

TEST(PosEmbed, Gradients) {
  const Tensor table = at::randn({1, 1 + 3 * 4, 2}, at::kDouble).requires_grad_();
  const Tensor weight = at::randn({1, 1 + 5 * 2, 2}, at::kDouble);
  expect_gradients([&] { return (resample_pos_embed(table, {3, 4}, {5, 2}, 1, {false, 0.1}) * weight).sum(); }, {{"table", table}});
}

TEST(SincosPosEmbed, OrdersDifferByTheAxesAndPrefixRowsAreZero) {
  const Tensor x = sincos_pos_embed({3, 5}, 8, SincosOrder::XFirst, 2), y = sincos_pos_embed({3, 5}, 8, SincosOrder::YFirst, 2);
  EXPECT_EQ(x.sizes(), (std::vector<int64_t>{1, 2 + 15, 8}));
  EXPECT_EQ(x.slice(1, 0, 2).abs().max().item<double>(), 0);
  EXPECT_TRUE(x.slice(2, 0, 4).equal(y.slice(2, 4)));
  EXPECT_NEAR(x[0][2 + 1 * 5 + 3][0].item<double>(), std::sin(3.0), 1e-6);   // row 1, column 3: the column first
  EXPECT_NEAR(x[0][2 + 1 * 5 + 3][5].item<double>(), std::sin(0.01), 1e-6);  // the row at the second frequency
  EXPECT_THAT(message_of([] { sincos_pos_embed({2, 2}, 10, SincosOrder::XFirst, 1); }, ErrorKind::Config), HasSubstr("nearest: 8 or 12"));
}

TEST(PatchEmbed, NamesBothNumbersOfABadSize) {
  PatchEmbed embed(3, 11, 16);
  const auto what = message_of([&] { embed(at::zeros({2, 3, 48, 50})); }, ErrorKind::Shape);
  EXPECT_THAT(what, HasSubstr("48x50"));
  EXPECT_THAT(what, HasSubstr("multiple of 16"));
  EXPECT_THAT(what, HasSubstr("nearest: 48 or 64"));
  EXPECT_THAT(message_of([&] { embed(at::zeros({0, 3, 48, 48})); }, ErrorKind::Shape), HasSubstr("0 images"));
  EXPECT_THAT(message_of([&] { embed(at::zeros({2, 1, 48, 48})); }, ErrorKind::Shape), HasSubstr("2, 1, 48, 48"));
  EXPECT_EQ(embed(at::zeros({2, 3, 32, 80})).sizes(), (std::vector<int64_t>{2, 10, 11}));
}

/// The property that defines the kernel: it sees a resized patch as the old one saw the original, where the resize loses nothing.
TEST(PatchEmbed, ResampledKernelAgreesOnResizedPatches) {
  const Tensor kernel = at::randn({5, 3, 4, 4}), patch = at::randn({1, 3, 4, 4});
  const Tensor larger = at::_upsample_bicubic2d_aa(patch, {7, 7}, false);
  const Tensor resized = resample_patch_embed(kernel, {7, 7});
  EXPECT_EQ(resized.sizes(), (std::vector<int64_t>{5, 3, 7, 7}));
  EXPECT_TRUE((kernel * patch).sum({1, 2, 3}).allclose((resized * larger).sum({1, 2, 3}), 1e-3, 1e-3));
}

TEST(PatchEmbed, ResampleStaysFiniteWhenOneSideGrowsAndTheOtherShrinks) {
  const Tensor resized = resample_patch_embed(at::randn({2, 3, 8, 4}), {5, 7});
  EXPECT_LT(resized.abs().max().item<double>(), 1e3);
  message_of([] { resample_patch_embed(at::randn({2, 3, 8, 4}), {5, 7}, "nearest"); }, ErrorKind::Config);
}

}  // namespace
}  // namespace eosin::nn
