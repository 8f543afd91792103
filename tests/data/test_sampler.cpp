#include "data/sampler.h"

#include "core/base/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

namespace eosin::data {
namespace {

/// The samples of every rank over `steps` micro-batches, in rank-major order.
std::vector<std::vector<uint64_t>> by_rank(const Sampler& sampler, uint64_t steps, uint64_t world, uint64_t local_batch) {
  std::vector<std::vector<uint64_t>> ranks(world);
  for (uint64_t r = 0; r < world; ++r)
    for (uint64_t s = 0; s < steps; ++s)
      for (uint64_t k = 0; k < local_batch; ++k) ranks[r].push_back(sampler.at(sample_position(s, r, world, local_batch, k)).index);
  return ranks;
}

std::vector<uint64_t> epoch_of(const Sampler& sampler, uint64_t n, uint64_t epoch) {
  std::vector<uint64_t> order(n);
  for (uint64_t p = 0; p < n; ++p) order[p] = sampler.at(epoch * n + p).index;
  return order;
}

bool holds_each_once(std::vector<uint64_t> order) {
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != i) return false;
  return true;
}

TEST(Permutation, IsABijectionWithAnInverse) {
  for (uint64_t n : {1, 2, 3, 4, 5, 31, 64, 65, 997, 4099}) {
    const Permutation order(n, 7, 3);
    std::vector<uint64_t> image(n);
    for (uint64_t p = 0; p < n; ++p) {
      image[p] = order(p);
      EXPECT_EQ(order.inverse(image[p]), p);
    }
    EXPECT_TRUE(holds_each_once(image)) << n;
  }
}

TEST(Permutation, RefusesWhatItCannotDo) {
  EXPECT_THROW(Permutation(0, 1, 0), Error);
  EXPECT_THROW(Permutation(5, 1, 0, 0, 7), Error);
  EXPECT_THROW(Permutation(5, 1, 0, 0, 0), Error);
  EXPECT_THROW(Permutation(5, 1, 0, 0, 34), Error);
}

/// Pairs (position, index) fall evenly into bins, and neighbours do not correlate.
TEST(Permutation, LooksRandom) {
  constexpr uint64_t kN = 1'000'000, kBins = 100;
  const Permutation order(kN, 11, 0);
  std::vector<double> bins(kBins * kBins);
  double correlation = 0, last = 0;
  for (uint64_t p = 0; p < kN; ++p) {
    const uint64_t i = order(p);
    ++bins[p * kBins / kN * kBins + i * kBins / kN];
    const double centred = static_cast<double>(i) / kN - 0.5;
    correlation += last * centred;
    last = centred;
  }
  const double expected = static_cast<double>(kN) / (kBins * kBins);
  double chi2 = 0;
  for (double count : bins) chi2 += (count - expected) * (count - expected) / expected;
  const double freedom = (kBins - 1) * (kBins - 1);
  EXPECT_NEAR(chi2, freedom, 4 * std::sqrt(2 * freedom));
  EXPECT_NEAR(correlation / kN * 12, 0, 4 / std::sqrt(kN));
}

TEST(Sampler, EveryEpochHoldsEachTileOnceAndDiffers) {
  for (const auto& sampler :
       {uniform_sampler(997, 5), block_sampler(997, 32, 4, 5), block_sampler(997, 1, 1000, 5), block_sampler(997, 2000, 1, 5)}) {
    const auto first = epoch_of(*sampler, 997, 0), second = epoch_of(*sampler, 997, 1);
    EXPECT_TRUE(holds_each_once(first));
    EXPECT_TRUE(holds_each_once(second));
    EXPECT_NE(first, second);
  }
}

TEST(Sampler, RanksAreDisjointAndComplete) {
  const auto sampler = block_sampler(24 * 7, 5, 3, 42);
  std::vector<uint64_t> all;
  for (const auto& rank : by_rank(*sampler, 7, 4, 6)) all.insert(all.end(), rank.begin(), rank.end());
  EXPECT_TRUE(holds_each_once(all));
}

TEST(Sampler, GlobalBatchesDoNotDependOnTheWorldSize) {
  const auto sampler = uniform_sampler(1009, 3);
  constexpr uint64_t kGlobal = 24;
  std::vector<std::vector<uint64_t>> orders;
  for (uint64_t world : {1, 2, 4}) {
    std::vector<uint64_t> order;
    for (uint64_t s = 0; s < 50; ++s)
      for (uint64_t r = 0; r < world; ++r)
        for (uint64_t k = 0; k < kGlobal / world; ++k) order.push_back(sampler->at(sample_position(s, r, world, kGlobal / world, k)).index);
    orders.push_back(order);
  }
  EXPECT_EQ(orders[0], orders[1]);
  EXPECT_EQ(orders[0], orders[2]);
}

TEST(Sampler, BlocksStayInsideTheirWindow) {
  constexpr uint64_t kN = 1000, kBlock = 10, kWindow = 5;
  const auto order = epoch_of(*block_sampler(kN, kBlock, kWindow, 1), kN, 0);
  for (uint64_t w = 0; w < kN / (kBlock * kWindow); ++w) {
    std::set<uint64_t> blocks;
    for (uint64_t i = 0; i < kBlock * kWindow; ++i) blocks.insert(order[w * kBlock * kWindow + i] / kBlock);
    EXPECT_EQ(blocks.size(), kWindow);
  }
}

TEST(Sampler, QuotasAreExactAndGroupsAreNotRepeatedEarly) {
  const std::vector<uint64_t> sizes = {5, 101, 0, 17}, quotas = {4, 8, 0, 4};
  const auto sampler = quota_sampler(sizes, quotas, 77);
  std::vector<std::vector<uint64_t>> drawn(4);
  for (uint64_t block = 0; block < 40; ++block) {
    std::vector<uint64_t> counts(4);
    for (uint64_t i = 0; i < 16; ++i) {
      const Sample s = sampler->at(block * 16 + i);
      ++counts[s.group];
      drawn[s.group].push_back(s.index);
    }
    EXPECT_EQ(counts, quotas);
  }
  // Inside a block of L samples the slots are shuffled, so a traversal's set is exact at common multiples of quota and size.
  for (size_t g : {size_t{0}, size_t{3}}) {
    const uint64_t whole = std::lcm(sizes[g], quotas[g]);
    std::vector<uint64_t> counts(sizes[g]);
    for (uint64_t i = 0; i < whole; ++i) ++counts[drawn[g][i]];
    EXPECT_EQ(counts, std::vector<uint64_t>(sizes[g], whole / sizes[g]));
  }
}

TEST(Sampler, RefusesEmptyInputs) {
  EXPECT_THROW(uniform_sampler(0, 1), Error);
  EXPECT_THROW(block_sampler(10, 0, 1, 1), Error);
  EXPECT_THROW(block_sampler(10, 1, 0, 1), Error);
  EXPECT_THROW(quota_sampler({}, {}, 1), Error);
  EXPECT_THROW(quota_sampler({3, 0}, {1, 1}, 1), Error);
  EXPECT_THROW(quota_sampler({3, 4}, {0, 0}, 1), Error);
  EXPECT_THROW(quota_sampler({3, 4}, {1}, 1), Error);
}

}  // namespace
}  // namespace eosin::data
