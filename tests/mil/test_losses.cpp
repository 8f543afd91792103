#include "core/base/error.h"
#include "mil/class_losses.h"
#include "mil/scmil.h"
#include "mil/survival_loss.h"
#include "tests/gradcheck.h"

#include <gtest/gtest.h>

#include <cmath>

namespace eosin::mil {
namespace {

const Tensor kLabels = at::tensor({0, 2, 1, 2, 0}, at::kLong);

TEST(ClassLosses, HaveGradients) {
  const Tensor x = at::randn({5, 3}, at::kDouble).requires_grad_();
  expect_gradients([&] { return cross_entropy(x, kLabels).sum(); }, {{"x", x}});
  expect_gradients([&] { return focal_loss(x, kLabels, 2).sum(); }, {{"x", x}});
  expect_gradients([&] { return smooth_top1_svm(x, kLabels).sum(); }, {{"x", x}});
  expect_gradients([&] { return smooth_top1_svm(x, kLabels, {1, 0.1, 1.5}).sum(); }, {{"x", x}});
  expect_gradients([&] { return ordinal_loss(x, at::tensor({0, 3, 1, 2, 3}, at::kLong)).sum(); }, {{"x", x}});
  const BceWeights weights{at::tensor({2.0, 1.0, 3.0}, at::kDouble), 0.5};
  expect_gradients([&] { return multi_label_loss(x, at::eye(5, 3), weights).sum(); }, {{"x", x}});
}

TEST(ClassLosses, FocalWithoutGammaIsCrossEntropy) {
  const Tensor x = at::randn({5, 3}, at::kDouble);
  EXPECT_TRUE(at::allclose(focal_loss(x, kLabels, 0), cross_entropy(x, kLabels)));
  const Tensor p = x.softmax(1).gather(1, kLabels.unsqueeze(1)).squeeze(1);
  EXPECT_TRUE(at::allclose(focal_loss(x, kLabels, 2), (1 - p).square() * -p.log()));
}

TEST(ClassLosses, AdjustedLogitsOfEqualScoresGiveThePrior) {
  const Tensor counts = at::tensor({10.0, 30.0, 60.0}, at::kDouble);
  EXPECT_TRUE(at::allclose(adjust_logits(at::zeros({2, 3}, at::kDouble), counts).softmax(1)[1], counts / 100));
  EXPECT_THROW(adjust_logits(at::zeros({2, 3}), at::tensor({1.0, 0.0, 2.0})), Error);
}

TEST(ClassLosses, OrdinalProbabilitiesAreOnes) {
  const Tensor p = ordinal_probabilities(at::randn({7, 4}, at::kDouble));
  EXPECT_EQ(p.sizes(), (std::vector<int64_t>{7, 5}));
  EXPECT_TRUE(p.ge(0).all().item<bool>());
  EXPECT_TRUE(at::allclose(p.sum(1), at::ones({7}, at::kDouble)));
  // Sure that it lies above 0 and 1 and not above 2: class 2.
  EXPECT_NEAR(ordinal_probabilities(at::tensor({40.0, 40.0, -40.0}, at::kDouble).unsqueeze(0))[0][2].item<double>(), 1, 1e-12);
}

TEST(ClassLosses, RefuseWhatDoesNotFit) {
  EXPECT_THROW(cross_entropy(at::zeros({5, 2}), kLabels), Error);  // label 2
  EXPECT_THROW(cross_entropy(at::zeros({4, 3}), kLabels), Error);
  EXPECT_THROW(smooth_top1_svm(at::zeros({5, 1}), at::zeros({5}, at::kLong)), Error);
  EXPECT_THROW(multi_label_loss(at::zeros({5, 3}), at::zeros({3, 5})), Error);
}

TEST(Supcon, HasGradientsAndIgnoresLonelyRows) {
  const Tensor u = at::randn({5, 4}, at::kDouble).requires_grad_();
  expect_gradients([&] { return supcon(u, kLabels, 0.5).sum(); }, {{"u", u}}, 20);
  EXPECT_EQ(supcon(u, kLabels, 0.5)[2].item<double>(), 0);  // the only row of class 1
  EXPECT_EQ(supcon(u.narrow(0, 0, 1), kLabels.narrow(0, 0, 1), 0.5).item<double>(), 0);
}

TEST(Supcon, FallsAsItsScheduleSays) {
  EXPECT_EQ(contrast_weight("linear", 0), 1);
  EXPECT_EQ(contrast_weight("parabolic", 0.5), 0.75);
  EXPECT_EQ(contrast_weight("step", 0.5), 0);
  EXPECT_NEAR(contrast_weight("cosine", 0.5), 0.5, 1e-15);
  EXPECT_THROW(contrast_weight("square", 0.5), Error);
}

TEST(DiscreteSurvival, HasGradients) {
  const Tensor x = at::randn({5, 3}, at::kDouble).requires_grad_(), censored = at::tensor({0, 1, 0, 1, 0}, at::kLong);
  for (const double alpha : {0.0, 0.4}) {
    expect_gradients([&] { return nll_discrete(x, kLabels, censored, {alpha}).sum(); }, {{"x", x}}, 15);
    expect_gradients([&] { return ce_discrete(x, kLabels, censored, {alpha}).sum(); }, {{"x", x}}, 15);
  }
  EXPECT_THROW(nll_discrete(x, kLabels + 1, censored), Error);
  EXPECT_THROW(nll_discrete(x, kLabels, censored.narrow(0, 0, 4)), Error);
}

/// The definition, patient by patient.
double plain_cox(const std::vector<double>& eta, const std::vector<bool>& event, const std::vector<double>& time, bool efron) {
  double loss = 0;
  for (size_t i = 0; i < eta.size(); ++i) {
    if (!event[i]) continue;
    double risk = 0, ties = 0;
    int deaths = 0, rank = 0;
    for (size_t j = 0; j < eta.size(); ++j) {
      if (time[j] >= time[i]) risk += std::exp(eta[j]);
      if (event[j] && time[j] == time[i]) ties += std::exp(eta[j]), ++deaths, rank += j < i;
    }
    loss += std::log(risk - (efron ? static_cast<double>(rank) / deaths * ties : 0)) - eta[i];
  }
  return loss;
}

TEST(Cox, IsItsDefinitionWithTies) {
  const std::vector<double> eta = {0.3, -1.2, 0.8, 2.0, -0.5, 0.1, 0.9}, time = {5, 3, 3, 8, 3, 5, 1};
  const std::vector<bool> event = {true, true, true, false, false, true, true};
  const Tensor x = at::tensor(eta, at::kDouble).requires_grad_(), t = at::tensor(time, at::kDouble);
  const Tensor e = at::tensor(std::vector<int64_t>(event.begin(), event.end()), at::kLong).to(at::kBool);
  for (const char* ties : {"efron", "breslow"}) {
    const double want = plain_cox(eta, event, time, std::string(ties) == "efron");
    EXPECT_NEAR(cox_loss(x, e, t, {}, {ties, "sum"}).item<double>(), want, 1e-12);
    EXPECT_NEAR(cox_loss(x, e, t, {}, {ties, "mean"}).item<double>(), want / 5, 1e-12);
    expect_gradients([&] { return cox_loss(x, e, t, {}, {ties, "sum"}); }, {{"eta", x}}, 7);
  }
}

TEST(Cox, BearsLargeHazardsAndHasNoGradientWithoutEvents) {
  const Tensor x = at::tensor({800.0, -800.0, 0.0}, at::kDouble).requires_grad_(), t = at::tensor({3.0, 2.0, 1.0}, at::kDouble);
  const Tensor loss = cox_loss(x, at::ones({3}, at::kBool), t);
  EXPECT_NEAR(loss.item<double>(), (1600.0 + 800.0) / 3, 1e-9);
  loss.backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  x.mutable_grad() = Tensor();
  const Tensor none = cox_loss(x, at::zeros({3}, at::kBool), t);
  EXPECT_EQ(none.item<double>(), 0);
  none.backward();
  EXPECT_EQ(x.grad().abs().max().item<double>(), 0);
  EXPECT_THROW(cox_loss(x, at::ones({2}, at::kBool), t), Error);
  EXPECT_THROW(cox_loss(x, at::ones({3}, at::kBool), t / 0), Error);
  EXPECT_THROW(cox_loss(x, at::ones({3}, at::kBool), t, {}, {"exact", "sum"}), Error);
}

TEST(Cox, TakesStrataByThemselves) {
  const Tensor x = at::randn({6}, at::kDouble), t = at::tensor({1.0, 2.0, 3.0, 1.5, 2.5, 0.5}, at::kDouble), e = at::ones({6}, at::kBool);
  const Tensor strata = at::tensor({0, 0, 0, 1, 1, 1}, at::kLong);
  const auto part = [&](int64_t from) {
    return cox_loss(x.narrow(0, from, 3), e.narrow(0, from, 3), t.narrow(0, from, 3), {}, {"efron", "sum"}).item<double>();
  };
  EXPECT_NEAR(cox_loss(x, e, t, strata, {"efron", "sum"}).item<double>(), part(0) + part(3), 1e-12);
}

TEST(TimeBins, HoldTheTimesOutsideInTheOuterBins) {
  const TimeBins bins = cut_time_bins({1, 2, 3, 4, 10}, {false, false, false, false, true}, 2);
  EXPECT_EQ(bins.edges[1], 2.5);
  EXPECT_EQ(bins.bin_of(2.5), 1);
  EXPECT_EQ(bins.bin_of(2.4), 0);
  EXPECT_EQ(bins.bin_of(-5), 0);
  EXPECT_EQ(bins.bin_of(99), 1);
  EXPECT_THROW(cut_time_bins({1, 1, 2}, {false, false, true}, 2), Error);
}

}  // namespace
}  // namespace eosin::mil
