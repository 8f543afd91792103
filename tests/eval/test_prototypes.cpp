#include "core/base/error.h"
#include "eval/few_shot.h"
#include "eval/hest_probe.h"
#include "eval/pca.h"
#include "eval/prototypes.h"
#include "eval/regression.h"
#include "eval/retrieval.h"
#include "eval/ridge.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

Tensor numbers(int64_t n, int64_t d, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn({n, d}, generator, at::kDouble);
}
Matrix matrix_of(const Tensor& t_in) {
  const Tensor t = t_in.to(at::kDouble).contiguous();
  Matrix m(t.size(0), t.size(1));
  std::copy_n(t.const_data_ptr<double>(), t.numel(), m.values.begin());
  return m;
}

TEST(Prototypes, NearestMeanByHand) {
  const Tensor x = at::tensor({0.0, 2.0, 10.0, 12.0}, at::kDouble).reshape({4, 1});
  const Prototypes p = Prototypes::fit(x, Ints{0, 0, 1, 1}, 2, {false, false});
  EXPECT_EQ(p.rows().values, (Reals{1, 11}));
  const Matrix d = p.distances(at::tensor({5.0, 7.0}, at::kDouble).reshape({2, 1}));
  EXPECT_EQ(d.values, (Reals{4, 6, 6, 4}));
  EXPECT_EQ(argmin_rows(d), (Ints{0, 1}));
  const BagVote v = p.vote(x, 2, BagSimilarity::L2);
  EXPECT_EQ(v.score, (Reals{1, 1}));
  EXPECT_EQ(v.pred, 0);
  EXPECT_EQ(p.vote(x, 1, BagSimilarity::InnerProduct).score, (Reals{12, 132}));
}

TEST(Prototypes, ARowAtTheMeanHasNoDirectionAndIsTaken) {
  const Tensor x = at::tensor({-1.0, 0.0, 1.0}, at::kDouble).reshape({3, 1});
  EXPECT_EQ(Prototypes::fit(x, Ints{0, 1, 1}, 2).rows().values, (Reals{-1, 0.5}));
}

TEST(Prototypes, Refuse) {
  const Tensor x = numbers(5, 3, 1);
  EXPECT_THROW(Prototypes::fit(x, Ints{0, 0, 1, 1, 1}, 3), Error);
  EXPECT_THROW(Prototypes::fit(x, Ints{0, 0, 1}, 2), Error);
  EXPECT_THROW(Prototypes::fit(x * NAN, Ints{0, 0, 1, 1, 1}, 2), Error);
  const Prototypes p = Prototypes::fit(x, Ints{0, 0, 1, 1, 1}, 2);
  EXPECT_THROW(p.distances(numbers(5, 4, 2)), Error);
  EXPECT_THROW(p.vote(x, 6, BagSimilarity::L2), Error);
}

TEST(FewShot, TakesRowsInTheGivenOrder) {
  const Ints target = {0, 1, 0, 1, 0, 2, 1}, order = {2, 0, 1}, permutation = {6, 5, 4, 3, 2, 1, 0};
  const Episode e = few_shot_episode(target, order, permutation, 2, 1);
  EXPECT_EQ(e.support, (Ints{5, 4}));
  EXPECT_EQ(e.query, (Ints{2, 0}));
  EXPECT_EQ(few_shot_episode(target, Ints{1, 0, 2}, permutation, 1, 1, 1).query, (Ints{3}));
  EXPECT_THROW(few_shot_episode(target, order, permutation, 1, 2), Error);
  EXPECT_THROW(few_shot_episode(target, order, permutation, 4, 1), Error);
  EXPECT_THROW(few_shot_episode(target, Ints{2, 2, 1}, permutation, 1, 1), Error);
  EXPECT_THROW(few_shot_episode(target, order, Ints{0, 1}, 1, 1), Error);
}

TEST(FewShot, DrawnPermutationsDiffer) {
  const auto a = drawn_permutation(37, 5, 0), b = drawn_permutation(37, 5, 1);
  EXPECT_EQ(std::set<int64_t>(a.begin(), a.end()).size(), 37U);
  EXPECT_NE(a, b);
  EXPECT_EQ(a, drawn_permutation(37, 5, 0));
}

TEST(Retrieval, ByHand) {
  const Tensor keys = at::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble).reshape({4, 1}), query = at::zeros({1, 1}, at::kDouble);
  RetrievalOptions o;
  o.k = {1, 2, 4};
  o.similarity = Similarity::Euclidean;
  o.transform = {};
  const Ints labels = {7, 8, 8, 7}, own = {8};
  Retrieval r = retrieval_at_k(keys, labels, query, own, o);
  EXPECT_EQ(r.label, (Ints{7, 8, 8, 7}));
  EXPECT_EQ(r.acc.values, (Reals{0, 1, 1}));
  EXPECT_EQ(r.mv_acc.values, (Reals{0, 1, 1}));      // ties count
  EXPECT_EQ(r.mv_nearest.values, (Reals{0, 0, 0}));  // ties go to 7, which is nearest
  EXPECT_NEAR(r.precision(0, 2), (1.0 / 2 + 2.0 / 3) / 2, 1e-15);
  o.map_norm = MapNorm::K;
  EXPECT_NEAR(retrieval_at_k(keys, labels, query, own, o).precision(0, 2), (1.0 / 2 + 2.0 / 3) / 4, 1e-15);
  o.k = {2};
  r = retrieval_at_k(keys, labels, query, own, o, {Ints{5, 6, 5, 6}, Ints{5}});
  EXPECT_EQ(r.label, (Ints{8, 7}));
}

TEST(Retrieval, TheOwnGroupIsNeverFound) {
  const Tensor x = numbers(20, 3, 4);
  Ints group, label(20, 1);
  for (int64_t i = 0; i < 20; ++i) group.push_back(i / 5);
  const Neighbors n = nearest_neighbors(x, x, 15, Similarity::Euclidean, {}, {group, group});
  for (int64_t q = 0; q < 20; ++q)
    for (int64_t j = 0; j < 15; ++j) EXPECT_NE(group[n.index[q * 15 + j]], group[q]);
  EXPECT_THROW(nearest_neighbors(x, x, 16, Similarity::Euclidean, {}, {group, group}), Error);
}

TEST(Pca, ABlockedFitIsThatOfAllRows) {
  const Tensor x = numbers(2500, 5, 6).mm(numbers(5, 5, 7)) + 3;
  const Pca p = fit_pca(x, 5);
  const auto [u, s, vh] = at::linalg_svd(x - x.mean(0), false);
  for (int64_t k = 0; k < 5; ++k)
    EXPECT_NEAR(p.explained_variance[k], std::pow(s[k].item<double>(), 2) / 2499, 1e-11 * std::pow(s[0].item<double>(), 2));
  const Tensor z = p.apply(x);
  EXPECT_LT((z.t().mm(z) - at::diag(at::diag(z.t().mm(z)))).abs().max().item<double>(), 1e-8);
  EXPECT_NEAR(std::accumulate(p.explained_variance_ratio.begin(), p.explained_variance_ratio.end(), 0.0), 1, 1e-13);
}

TEST(Pca, HalfPrecisionFeaturesAndErrors) {
  const Tensor x = numbers(40, 7, 8);
  EXPECT_NEAR(fit_pca(x.to(at::kHalf), 2).explained_variance[0], fit_pca(x, 2).explained_variance[0], 1e-2);
  EXPECT_THROW(fit_pca(x, 8), Error);
  EXPECT_THROW(fit_pca(x, 0), Error);
  EXPECT_THROW(fit_pca(at::ones({5, 2}), 1), Error);
  EXPECT_THROW(fit_pca(x.slice(0, 0, 1), 1), Error);
  EXPECT_THROW(fit_pca(at::cat({x.slice(1, 0, 1), at::ones({40, 1}, at::kDouble)}, 1), 2, true).apply(x), Error);
}

TEST(Ridge, TheGradientIsZeroAtTheMinimum) {
  const Tensor x = numbers(31, 4, 9) + 2, y = numbers(31, 2, 10) - 5;
  const Ridge r = fit_ridge(x, matrix_of(y), {.alpha = 0.7});
  const Tensor w = at::tensor(r.coef_TD.values, at::kDouble).reshape({2, 4}), b = at::tensor(r.intercept, at::kDouble);
  const Tensor residual = x.mm(w.t()) + b - y;
  EXPECT_LT((x.t().mm(residual) + 0.7 * w.t()).abs().max().item<double>(), 1e-10);
  EXPECT_LT(residual.sum(0).abs().max().item<double>(), 1e-10);
  EXPECT_NEAR(fit_ridge(x, matrix_of(y), {}).alpha, 100.0 / 8, 1e-15);
}

TEST(Ridge, RefusesSingularEquations) {
  const Tensor x = numbers(9, 1, 11);
  EXPECT_THROW(fit_ridge(at::cat({x, x}, 1), matrix_of(x), {.alpha = 0.0, .fit_intercept = false}), Error);
  EXPECT_THROW(fit_ridge(x, matrix_of(x), {.alpha = -1.0}), Error);
  EXPECT_THROW(fit_ridge(x, matrix_of(x.slice(0, 0, 8))), Error);
  EXPECT_THROW(fit_ridge(x, matrix_of(x * NAN)), Error);
}

TEST(HestProbe, FindsALinearGene) {
  const Tensor x = numbers(300, 12, 12), w = numbers(12, 3, 13), y = x.mm(w) + 4;
  const HestProbe p = HestProbe::fit(x.slice(0, 0, 200), matrix_of(y.slice(0, 0, 200)), {.n_components = 12});
  const HestScore s = hest_score(matrix_of(y.slice(0, 200)), p.predict(x.slice(0, 200)));
  EXPECT_GT(s.mean, 0.99);
  EXPECT_THROW(hest_score(Matrix(7, 2, 1.0), Matrix(7, 2, 1.0)), Error);
}

}  // namespace
}  // namespace eosin::eval
