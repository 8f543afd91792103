#include "core/base/error.h"
#include "eval/knn.h"
#include "eval/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;

Tensor numbers(int64_t n, int64_t d, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn({n, d}, generator, at::kDouble);
}

TEST(Product, IsTheMatrixProductForEveryEdge) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {5, 7, 3}, {4, 8, 256}, {13, 17, 301}, {2, 9, 512}}) {
    const Tensor a = numbers(m, k, 1), b = numbers(n, k, 2), start = numbers(m, n, 3);
    Tensor out = start.clone();
    multiply_add(m, n, k, {a.const_data_ptr<double>(), k, 1}, {b.const_data_ptr<double>(), 1, k}, out.mutable_data_ptr<double>(), n);
    EXPECT_TRUE(at::allclose(out, start + a.mm(b.t()), 1e-12, 1e-12)) << m << " " << n << " " << k;
  }
}

TEST(Neighbors, AreThoseOfAFullSortAcrossBlocks) {
  const Tensor keys = numbers(601, 11, 4), queries = numbers(131, 11, 5);
  const Neighbors found = nearest_neighbors(keys, queries, 7, Similarity::Euclidean);
  const Tensor order = at::cdist(queries, keys).argsort(int64_t{-1}, false);
  for (int64_t i = 0; i < 131; ++i)
    for (int64_t j = 0; j < 7; ++j) EXPECT_EQ(found.index[i * 7 + j], order[i][j].item<int64_t>());
}

TEST(Neighbors, EqualsComeInKeyOrder) {
  const Tensor keys = at::ones({300, 3}), queries = at::ones({2, 3});
  const Neighbors found = nearest_neighbors(keys, queries, 5, Similarity::Dot);
  EXPECT_EQ(found.index, (Ints{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}));
}

TEST(Neighbors, SameBitsForAnyNumberOfThreads) {
  const Tensor keys = numbers(523, 37, 6).to(at::kFloat), queries = numbers(211, 37, 7).to(at::kFloat);
  const int before = at::get_num_threads();
  std::vector<Neighbors> results;
  for (int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    results.push_back(nearest_neighbors(keys, queries, 9, Similarity::Dot, {.center = {}, .scale = {}, .unit = true}));
  }
  at::set_num_threads(before);
  for (const auto& r : results) {
    EXPECT_EQ(r.index, results[0].index);
    EXPECT_EQ(r.similarity, results[0].similarity);
  }
}

TEST(Knn, AcosineIgnoresTheLengthOfRows) {
  const Tensor keys = numbers(101, 5, 8), queries = numbers(31, 5, 9);
  Ints target(101);
  for (size_t i = 0; i < target.size(); ++i) target[i] = static_cast<int64_t>(i % 3);
  KnnOptions o;
  o.k = {1, 5};
  o.transform.unit = true;
  const auto a = knn_classify(keys, target, queries, 3, o);
  const auto b = knn_classify(keys * 7.5, target, queries * 0.01, 3, o);
  ASSERT_EQ(a.size(), 2U);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].pred, b[i].pred);
}

TEST(Knn, DinoV2WeightsSumToOneOverTheLargestK) {
  const Tensor keys = numbers(53, 5, 10), queries = numbers(3, 5, 11);
  KnnOptions o;
  o.vote = KnnVote::DinoV2;
  o.k = {3, 11};
  const auto r = knn_classify(keys, Ints(53, 0), queries, 2, o);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(r[1].score_MC(i, 0), 1, 1e-14);
    EXPECT_LT(r[0].score_MC(i, 0), 1);
  }
}

TEST(Knn, RefusesBadInput) {
  const Tensor keys = numbers(5, 3, 1), queries = numbers(2, 3, 2);
  KnnOptions o;
  o.k = {6};
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0, 1, 0}, queries, 2, o), Error);  // more than the keys
  o.k = {0};
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0, 1, 0}, queries, 2, o), Error);
  o.k = {3};
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0}, queries, 2, o), Error);
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0, 1, 2}, queries, 2, o), Error);
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0, 1, 0}, numbers(2, 4, 2), 2, o), Error);
  EXPECT_THROW(knn_classify(keys, Ints{0, 1, 0, 1, 0}, at::full({2, 3}, NAN), 2, o), Error);
  EXPECT_THROW(knn_classify(keys * 1e4, Ints{0, 1, 0, 1, 0}, queries * 1e4, 2, o), Error);  // exp overflows
  o.transform.unit = true;
  EXPECT_THROW(knn_classify(at::zeros({5, 3}), Ints{0, 1, 0, 1, 0}, queries, 2, o), Error);  // no direction
}

}  // namespace
}  // namespace eosin::eval
