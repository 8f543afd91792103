#include "core/nn/drop_path.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

namespace eosin::nn {
namespace {

TEST(DropPath, KeepsAtLeastOneSequence) {
  EXPECT_EQ(kept_count(10, 0.3), 7);
  EXPECT_EQ(kept_count(3, 0.5), 1);
  EXPECT_EQ(kept_count(2, 0.9), 1);
  EXPECT_EQ(kept_count(7, 0.0), 7);
}

TEST(DropPath, DrawsDistinctSequencesThatDependOnEveryPartOfTheKey) {
  const auto drawn = draw_kept(31, 0.4, {5, 7}, 2);
  EXPECT_EQ(drawn.size(), 18u);
  EXPECT_EQ(std::set<int64_t>(drawn.begin(), drawn.end()).size(), 18u);
  EXPECT_EQ(drawn, draw_kept(31, 0.4, {5, 7}, 2));
  EXPECT_NE(drawn, draw_kept(31, 0.4, {6, 7}, 2));
  EXPECT_NE(drawn, draw_kept(31, 0.4, {5, 8}, 2));
  EXPECT_NE(drawn, draw_kept(31, 0.4, {5, 7}, 3));
}

TEST(DropPath, EachSequenceIsKeptAsOftenAsAnother) {
  std::vector<int> times(5, 0);
  for (uint64_t position = 0; position < 5000; ++position)
    for (const int64_t s : draw_kept(5, 0.4, {1, position}, 0)) ++times[static_cast<size_t>(s)];
  for (const int n : times) EXPECT_NEAR(n, 3000, 150);
}

TEST(DropPath, AddsTheScaledBranchWhereItWasKept) {
  const Tensor a = at::randn({3, 5, 7}), b = at::randn({4, 2, 7});
  const TokenGroups groups{{3, 5}, {4, 2}};
  const Tensor tokens = pack({a, b});
  const auto branch = [](const Tensor& t, const TokenGroups& g) {
    EXPECT_EQ(t.size(0), 2 * 5 + 1 * 2);
    EXPECT_EQ(g[0].sequences, 2);
    EXPECT_EQ(g[1].sequences, 1);
    return t * 2;
  };
  const auto out = unpack(add_on_subset(tokens, groups, {{0, 2}, {3}}, branch), groups);
  EXPECT_TRUE(out[0][0].allclose(a[0] + 1.5 * 2 * a[0]));
  EXPECT_TRUE(out[0][1].equal(a[1]));
  EXPECT_TRUE(out[0][2].allclose(a[2] + 1.5 * 2 * a[2]));
  EXPECT_TRUE(out[1].slice(0, 0, 3).equal(b.slice(0, 0, 3)));
  EXPECT_TRUE(out[1][3].allclose(b[3] + 4 * 2 * b[3]));
}

}  // namespace
}  // namespace eosin::nn
