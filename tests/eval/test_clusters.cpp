#include "core/base/error.h"
#include "eval/cka.h"
#include "eval/curvature.h"
#include "eval/distances.h"
#include "eval/gradient_coherence.h"
#include "eval/kmeans.h"
#include "eval/lidar.h"
#include "eval/loss_barrier.h"
#include "eval/robustness.h"
#include "eval/silhouette.h"
#include "eval/slide_collapse.h"
#include "eval/stain_protocol.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

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
/// Three groups of rows far apart.
Tensor three_clusters(int64_t each) {
  Tensor x = 0.1 * numbers(3 * each, 2, 3);
  for (int64_t c = 0; c < 3; ++c) x.slice(0, c * each, (c + 1) * each) += at::tensor({5.0 * static_cast<double>(c), c == 1 ? 7.0 : 0.0}, at::kDouble);
  return x;
}
Ints third(int64_t each) {
  Ints label;
  for (int64_t i = 0; i < 3 * each; ++i) label.push_back(i / each);
  return label;
}

TEST(Distances, EqualTheDefinitionForAnyTail) {
  for (int64_t m : {1, 4, 7})
    for (int64_t n : {1, 8, 11}) {
      const Tensor a = numbers(m, 5, 1), b = numbers(n, 5, 2);
      Matrix d(m, n);
      squared_distances(m, n, 5, a.const_data_ptr<double>(), b.const_data_ptr<double>(), d.values.data());
      const Tensor want = (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2);
      EXPECT_LT((at::tensor(d.values, at::kDouble).reshape({m, n}) - want).abs().max().item<double>(), 1e-14);
    }
}

TEST(KMeans, FindsClustersFarApart) {
  const KMeans k = kmeans(three_clusters(17), KMeansOptions{.clusters = 3, .starts = 3, .seed = 1});
  EXPECT_TRUE(k.converged);
  EXPECT_EQ(adjusted_rand_index(k.label, third(17)), 1);
  EXPECT_EQ(nearest_center(three_clusters(17), k.center_KD), k.label);
}

TEST(KMeans, AnEmptyClusterTakesTheFarthestRow) {
  const Tensor x = at::tensor({0.0, 1.0, 2.0, 30.0}, at::kDouble).reshape({4, 1});
  Matrix far(2, 1);
  far.values = {0, 1000};
  const KMeans k = kmeans(x, far);
  EXPECT_EQ(k.label, (Ints{0, 0, 0, 1}));
  EXPECT_NEAR(k.inertia, 2, 1e-15);
}

TEST(KMeans, SameBitsForAnyNumberOfThreads) {
  const Tensor x = numbers(700, 3, 5);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const KMeans one = kmeans(x, KMeansOptions{.clusters = 5, .starts = 2});
  at::set_num_threads(4);
  const KMeans four = kmeans(x, KMeansOptions{.clusters = 5, .starts = 2});
  at::set_num_threads(before);
  EXPECT_EQ(one.center_KD.values, four.center_KD.values);
  EXPECT_EQ(one.inertia, four.inertia);
}

TEST(KMeans, Refuses) {
  const Tensor x = numbers(3, 2, 1);
  EXPECT_THROW(kmeans(x, KMeansOptions{.clusters = 4}), Error);
  EXPECT_THROW(kmeans(x, Matrix(2, 3)), Error);
  EXPECT_THROW(kmeans(x * INFINITY, KMeansOptions{.clusters = 2}), Error);
}

TEST(Silhouette, ByHandAndRefusals) {
  const Tensor x = at::tensor({0.0, 1.0, 5.0}, at::kDouble).reshape({3, 1});
  const Silhouette s = silhouette(x, Ints{4, 4, 9});
  EXPECT_NEAR(s.sample[0], (5.0 - 1) / 5, 1e-15);
  EXPECT_NEAR(s.sample[1], (4.0 - 1) / 4, 1e-15);
  EXPECT_EQ(s.sample[2], 0);
  EXPECT_THROW(silhouette(x, Ints{1, 1, 1}), Error);
  EXPECT_THROW(silhouette(x, Ints{1, 2}), Error);
  EXPECT_THROW(silhouette(at::zeros({3, 1}), Ints{1, 2, 1}, SilhouetteMetric::Cosine), Error);
  EXPECT_EQ(silhouette(at::zeros({3, 1}), Ints{1, 2, 1}).value, 0);  // 0/0: equal distances
}

TEST(AdjustedRand, ChanceIsZeroAndNamesDoNotMatter) {
  EXPECT_EQ(adjusted_rand_index(Ints{1, 1, 2, 2}, Ints{9, 9, 3, 3}), 1);
  EXPECT_NEAR(adjusted_rand_index(Ints{0, 0, 1, 1}, Ints{0, 1, 0, 1}), -0.5, 1e-15);
  EXPECT_EQ(adjusted_rand_index(Ints{1, 1}, Ints{2, 2}), 1);
  EXPECT_EQ(adjusted_rand_index(Ints{1}, Ints{2}), 1);
  EXPECT_THROW(adjusted_rand_index(Ints{}, Ints{}), Error);
}

TEST(RobustnessIndex, FeaturesOfTheCentreAloneHaveIndexZero) {
  Ints bio, center, slide;
  Tensor x = 0.01 * numbers(48, 2, 8);
  for (int64_t i = 0; i < 48; ++i) {
    bio.push_back(i % 2), center.push_back(i / 24), slide.push_back(i / 4);
    x[i][center.back()] += 1;
  }
  const RobustnessIndex by_center = robustness_index(x, {bio, center, slide, {}}, 6);
  EXPECT_EQ(by_center.index.back(), 0);
  const RobustnessIndex by_bio = robustness_index(x, {center, bio, slide, {}}, 6);
  EXPECT_EQ(by_bio.index.back(), 1);
  EXPECT_EQ(by_bio.knn_balanced_accuracy, (Reals{1}));
  for (size_t j = 0; j < 6; ++j) EXPECT_NEAR(by_bio.ss[j] + by_bio.so[j] + by_bio.os[j] + by_bio.oo[j], 1, 1e-15);
  EXPECT_EQ(robustness_index(7 * x, {bio, center, slide, {}}, 6).ss, by_center.ss);  // rows are scaled to unit length
  EXPECT_THROW(robustness_index(x, {bio, center, slide, {}}, 45), Error);
  EXPECT_THROW(robustness_index(x, {bio, bio, slide, {}}, 6), Error);  // class is centre: neither SO nor OS
}

TEST(PerformanceDrop, ByHand) {
  Matrix a(3, 2);
  a.values = {0.8, 0.5, 0.4, 0.5, 0.8, 1.0};
  const PerformanceDrop d = average_performance_drop(a);
  EXPECT_NEAR(d.per_repetition[0], -0.25, 1e-15);
  EXPECT_NEAR(d.per_repetition[1], 0.5, 1e-15);
  a.values[0] = 0;
  EXPECT_THROW(average_performance_drop(a), Error);
  EXPECT_THROW(average_performance_drop(Matrix(1, 2, 1.0)), Error);
}

TEST(SlideCollapse, FeaturesThatAreTheSlide) {
  Tensor x = 0.01 * numbers(30, 3, 9);
  Ints slide, target;
  for (int64_t i = 0; i < 30; ++i) slide.push_back(i / 10), target.push_back(i % 2), x[i][i / 10] += 1;
  const SlideCollapse s = slide_collapse(x, slide, target, 5);
  EXPECT_EQ(s.same_slide_fraction, 1);
  EXPECT_NEAR(s.chance, 9.0 / 29, 1e-15);
  EXPECT_GT(s.slide_variance_share, 0.99);
  EXPECT_GT(s.silhouette_slide, 0.9);
  EXPECT_LT(s.silhouette_class, 0.1);
  Ints alone(30);
  std::iota(alone.begin(), alone.end(), int64_t{0});
  EXPECT_THROW(slide_collapse(x, alone, target, 5), Error);
}

TEST(Cka, RotationAndScaleChangeNothing) {
  const Tensor x = numbers(40, 6, 1) + 2, q = std::get<0>(at::linalg_qr(numbers(6, 6, 2)));
  for (bool debiased : {false, true}) EXPECT_NEAR(linear_cka(x, 3 * x.mm(q) - 7, debiased), 1, 1e-12);
}

TEST(Cka, EqualsTheGramMatrices) {
  const Tensor x = numbers(17, 23, 3) + 1, y = numbers(17, 5, 4);
  const Tensor h = at::eye(17, at::kDouble) - 1.0 / 17;
  const Tensor k = h.mm(x.mm(x.t())).mm(h), l = h.mm(y.mm(y.t())).mm(h);
  EXPECT_NEAR(linear_cka(x, y), ((k * l).sum() / k.norm() / l.norm()).item<double>(), 1e-12);
  EXPECT_LT(std::abs(linear_cka(x, y, true)), linear_cka(x, y));
  EXPECT_THROW(linear_cka(x, y.slice(0, 0, 16)), Error);
  EXPECT_THROW(linear_cka(at::ones({17, 2}), y), Error);
}

TEST(Lidar, ViewsThatAreTheObject) {
  // Four objects at the corners of a simplex, no spread within: three directions tell them apart.
  const Tensor x = at::eye(4, at::kDouble).unsqueeze(1).expand({4, 3, 4});
  EXPECT_NEAR(lidar(x).value, 3, 1e-6);
  EXPECT_THROW(lidar(numbers(4, 4, 1)), Error);
  EXPECT_THROW(lidar(at::zeros({1, 3, 4})), Error);
}

TEST(GradientCoherence, OrthogonalAndEqual) {
  const GradientCoherence orthogonal = gradient_coherence(at::eye(6, at::kDouble));
  EXPECT_NEAR(orthogonal.m_coherence, 1, 1e-14);
  EXPECT_NEAR(orthogonal.pairwise_cosine, 0, 1e-14);
  const GradientCoherence equal = gradient_coherence(at::ones({6, 3}, at::kDouble));
  EXPECT_NEAR(equal.m_coherence, 6, 1e-13);
  EXPECT_NEAR(equal.pairwise_cosine, 1, 1e-14);
  EXPECT_THROW(gradient_coherence(at::zeros({3, 2})), Error);
}

TEST(Curvature, LanczosSeesEveryEigenvalue) {
  const Tensor a = numbers(9, 9, 1), h = a + a.t();
  const Tensor start = at::ones({9}, at::kDouble) / 3;
  const LanczosSpectrum s = lanczos([&](const Tensor& v) { return h.mv(v); }, start, 9);
  const Tensor want = at::linalg_eigvalsh(h);
  for (int64_t i = 0; i < 9; ++i) EXPECT_NEAR(s.node[i], want[i].item<double>(), 1e-9);
  EXPECT_NEAR(std::accumulate(s.weight.begin(), s.weight.end(), 0.0), 1, 1e-12);
  const auto density = s.density(Reals{1e9}, 0.1);
  EXPECT_EQ(density[0], 0);
}

TEST(Curvature, LanczosEndsInAnInvariantSubspace) {
  const LanczosSpectrum s = lanczos([](const Tensor& v) { return 2 * v; }, at::tensor({1.0, 0.0, 0.0}, at::kDouble), 3);
  EXPECT_EQ(s.node, (Reals{2}));
  EXPECT_THROW(lanczos([](const Tensor& v) { return v; }, at::ones({3}, at::kDouble), 2), Error);
  EXPECT_THROW(lanczos([](const Tensor& v) { return v * NAN; }, at::tensor({1.0, 0.0}, at::kDouble), 1), Error);
}

TEST(Curvature, HutchinsonIsExactOnADiagonal) {
  const Tensor d = at::tensor({3.0, -1.0, 5.0}, at::kDouble);
  const Tensor signs = at::tensor({1.0, 1.0, -1.0, -1.0, 1.0, 1.0}, at::kDouble).reshape({2, 3});
  const HutchinsonTrace t = hutchinson_trace([&](const Tensor& v) { return d * v; }, signs);
  EXPECT_EQ(t.estimate, 7);
  EXPECT_EQ(t.standard_error, 0);
  EXPECT_TRUE(t.diagonal_D.equal(d));
  EXPECT_THROW(hutchinson_trace([&](const Tensor& v) { return v; }, 2 * signs), Error);
}

TEST(LossBarrier, ByHand) {
  const LossBarrier b = loss_barrier(Reals{0, 0.5, 1}, Reals{1, 4, 3});
  EXPECT_EQ(b.barrier, 2);
  EXPECT_EQ(b.at, 0.5);
  EXPECT_EQ(b.midpoint_gap, 2);
  EXPECT_EQ(loss_barrier(Reals{0, 1}, Reals{1, 3}).barrier, 0);
  EXPECT_THROW(loss_barrier(Reals{0, 0.5}, Reals{1, 4}), Error);
  EXPECT_THROW(loss_barrier(Reals{0, 1}, Reals{1, NAN}), Error);
}

TEST(StainAmplitude, EqualConditionsHaveNone) {
  Matrix score(2, 6);
  score.values = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6};
  const Ints target = {0, 1, 0, 1, 0, 1};
  const StainAmplitude s = stain_amplitude(target, score, Resampler::drawn(6, 50, 1));
  EXPECT_EQ(s.interval.estimate, 0);
  EXPECT_EQ(s.mean, 0);
  EXPECT_THROW(stain_amplitude(target, Matrix(0, 6), Resampler::drawn(6, 50, 1)), Error);
}

}  // namespace
}  // namespace eosin::eval
