#include "core/base/error.h"
#include "mil/dropout.h"
#include "tests/mil/make_head.h"

#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

TEST(Bags, TakeTheLowerIndexOfEqualScores) {
  const Tensor scores = at::tensor({1.0, 3.0, 2.0, 3.0, 2.0, 3.0});
  EXPECT_TRUE(at::equal(top_indices(scores, 4), at::tensor({1, 3, 5, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(top_indices(at::zeros({5}), 3), at::tensor({0, 1, 2}, at::kLong)));
  EXPECT_EQ(top_indices(scores, 0).numel(), 0);
}

TEST(Bags, ComeApartAndTogether) {
  const BagBatch bags = make_bags({3, 1, 5}, 2, 3);
  const BagBatch again = pack_bags({one_bag(bags, 0), one_bag(bags, 1), one_bag(bags, 2)});
  EXPECT_EQ(again.offsets, bags.offsets);
  EXPECT_EQ(again.ids, bags.ids);
  EXPECT_EQ(again.tile_size_px, bags.tile_size_px);
  EXPECT_TRUE(at::equal(again.features_ND, bags.features_ND));
  EXPECT_TRUE(at::equal(again.coords_N2, bags.coords_N2));
  EXPECT_TRUE(at::equal(again.labels_B, bags.labels_B));
  EXPECT_TRUE(at::equal(bag_index(bags.offsets), at::tensor({0, 0, 0, 1, 2, 2, 2, 2, 2}, at::kLong)));
  BagBatch nameless = one_bag(bags, 1);
  nameless.ids.clear(), nameless.coords_N2 = Tensor();
  const BagBatch mixed = pack_bags({one_bag(bags, 0), nameless});
  EXPECT_TRUE(mixed.ids.empty());
  EXPECT_FALSE(mixed.coords_N2.defined());
}

TEST(Bags, OfAPaddedBatchAreItsMaskedRows) {
  const Tensor x = at::arange(24, at::kDouble).view({2, 4, 3}), mask = at::tensor({1, 0, 1, 1, 0, 1, 0, 0}, at::kLong).view({2, 4});
  const BagBatch bags = from_padded(x, mask);
  EXPECT_EQ(bags.offsets, (std::vector<int64_t>{0, 3, 4}));
  EXPECT_TRUE(at::equal(bags.features_ND.select(1, 0), at::tensor({0.0, 6.0, 9.0, 15.0}, at::kDouble)));
  EXPECT_THROW(from_padded(x, mask.t()), Error);
}

TEST(Bags, AreRefusedWhereAPartHasOtherRows) {
  BagBatch bags = make_bags({3, 2}, 2, 3);
  check_bags(bags, 2);
  bags.labels_B = at::zeros({3}, at::kLong);
  EXPECT_THROW(check_bags(bags, 2), Error);
  bags = make_bags({3, 2}, 2, 3);
  bags.coords_N2 = bags.coords_N2.narrow(0, 0, 4);
  EXPECT_THROW(check_bags(bags, 2), Error);
  EXPECT_THROW(check_bags(BagBatch{}, 2), Error);
}

TEST(HeadDropout, IsAFunctionOfItsKey) {
  const Pass pass{DrawKey{5, 11}, 0};
  const Tensor x = at::ones({9, 7}, at::kDouble);
  const Tensor packed = Dropout(pass, {0, 4, 9})(x, 0.25, 2);
  const Tensor first = Dropout(pass, {0, 4})(x.narrow(0, 0, 4), 0.25, 2), second = Dropout(pass_of_bag(pass, 1), {0, 5})(x.narrow(0, 0, 5), 0.25, 2);
  EXPECT_TRUE(at::equal(packed, at::cat({first, second})));
  EXPECT_TRUE(at::equal(second.narrow(0, 3, 2), Dropout(pass_of_bag(pass, 1), 3, 2)(x.narrow(0, 0, 2), 0.25, 2)));  // a chunk of the bag
  EXPECT_FALSE(at::equal(packed, Dropout(pass, {0, 4, 9})(x, 0.25, 3)));
  EXPECT_TRUE(at::equal(Dropout(Pass{}, {0, 9})(x, 0.25, 2), x));
  const Tensor many = Dropout(pass, {0, 1000})(at::ones({1000, 100}), 0.25, 0);
  EXPECT_NEAR(many.eq(0).to(at::kDouble).mean().item<double>(), 0.25, 0.005);
  EXPECT_NEAR(many.mean().item<double>(), 1, 0.01);
}

}  // namespace
}  // namespace eosin::mil
