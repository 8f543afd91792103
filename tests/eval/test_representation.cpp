#include "core/base/error.h"
#include "eval/online_probe.h"
#include "eval/representation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace eosin::eval {
namespace {

Tensor numbers(int64_t n, int64_t d, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn({n, d}, generator, at::kDouble);
}

TEST(Representation, AnIdentityHasFullRank) {
  const auto s = singular_values(at::eye(7), false);
  EXPECT_NEAR(rankme(s, 0), 7, 1e-12);
  const Rank r = rank_of(s);
  EXPECT_NEAR(r.effective, 7, 1e-12);
  EXPECT_NEAR(r.stable, 7, 1e-12);
  EXPECT_NEAR(r.participation, 7, 1e-12);
}

TEST(Representation, ARotationChangesNothing) {
  const Tensor x = numbers(101, 11, 1), q = std::get<0>(at::linalg_qr(numbers(11, 11, 2)));
  EXPECT_NEAR(rankme(singular_values(x, false)), rankme(singular_values(x.mm(q), false)), 1e-9);
}

TEST(Representation, RowsOfOneDirectionHaveRankOne) {
  const Tensor x = at::arange(1, 14, at::kDouble).reshape({13, 1}) * at::ones({1, 5}, at::kDouble);
  EXPECT_NEAR(rank_of(singular_values(x, false)).effective, 1, 1e-9);
  EXPECT_NEAR(mean_pairwise_cosine(x), 1, 1e-12);
  EXPECT_EQ(collapsed_share(x), 0);
  EXPECT_EQ(collapsed_share(at::cat({x, at::ones({13, 5}, at::kDouble)}, 1)), 0.5);
}

TEST(Representation, SameBitsForAnyNumberOfThreads) {
  const Tensor x = numbers(307, 61, 3).to(at::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = singular_values(x, true);
  at::set_num_threads(3);
  const auto three = singular_values(x, true);
  EXPECT_EQ(at::get_num_threads(), 3);
  at::set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Representation, ConstantFeaturesAreAnErrorNotANumber) {
  EXPECT_THROW(rank_of(singular_values(at::ones({5, 3}), true)), Error);
  EXPECT_THROW(singular_values(at::full({5, 3}, NAN), false), Error);
  EXPECT_THROW(singular_values(at::zeros({0, 3}), true), Error);
  EXPECT_THROW(singular_values(at::zeros({3}), true), Error);
  EXPECT_THROW(mean_pairwise_cosine(at::ones({1, 3})), Error);
}

TEST(OnlineProbe, NamesItsMeasuresAndTellsClassesApart) {
  ProbeFeatures f;
  f.num_classes = 2;
  f.keys_ND = numbers(61, 7, 4);
  f.queries_MD = numbers(31, 7, 5);
  for (int64_t i = 0; i < 61; ++i) f.key_labels.push_back(i % 2), f.keys_ND[i][0] += i % 2 ? 6 : -6;
  for (int64_t i = 0; i < 31; ++i) f.query_labels.push_back(i % 2), f.queries_MD[i][0] += i % 2 ? 6 : -6;
  const auto values = online_probe(f, 200);
  const std::map<std::string, double> by_name(values.begin(), values.end());
  EXPECT_EQ(by_name.at("knn_accuracy"), 1);
  EXPECT_EQ(by_name.at("knn_balanced_accuracy"), 1);
  for (const char* name : {"rankme", "effective_rank", "stable_rank", "mean_cosine", "collapsed_dims", "nearest_distance"})
    EXPECT_TRUE(std::isfinite(by_name.at(name))) << name;
  for (const bool linear : {false, true}) {
    std::vector<std::string> names;
    for (const auto& [name, value] : online_probe(f, 200, linear)) names.push_back(name);
    EXPECT_EQ(names, online_probe_names(linear));
  }
  f.key_labels.clear();
  EXPECT_EQ(online_probe(f).size(), 6U);
}

}  // namespace
}  // namespace eosin::eval
