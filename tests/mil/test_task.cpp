#include "mil/task.h"

#include "core/base/error.h"
#include "mil/class_losses.h"
#include "mil/survival_loss.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::mil {
namespace {

struct TaskChoice {
  config::Choice task{task_table(), "classes"};
  void visit(config::Visitor& v) { v("task", task, "the task"); }
};

config::Choice choice(const std::vector<std::string>& settings) {
  config::Source source;
  for (const auto& s : settings) source.override_with(s);
  TaskChoice c;
  config::read(source, c);
  return c.task;
}

const Outcomes kClasses{3, {0, 1, 2, 0, 0, 1}, {}, {}};
const Outcomes kTimes{0, {}, {5, 3, 9, 1, 7, 4}, {1, 0, 1, 1, 0, 1}};
const std::vector<int64_t> kAll = {0, 1, 2, 3, 4, 5};

Tensor losses(const Task& task, const std::vector<int64_t>& bags, const Tensor& logits) {
  return task.loss(bags)(logits, at::arange(logits.size(0), at::kLong));
}

TEST(Task, WeightsClassesByTheirFrequencyInTraining) {
  const auto plain = fit_task(choice({}), kClasses, kAll), weighted = fit_task(choice({"task.imbalance=weights"}), kClasses, kAll);
  const Tensor logits = at::randn({2, 3});
  const Tensor ratio = losses(*weighted, {0, 2}, logits) / losses(*plain, {0, 2}, logits);
  EXPECT_NEAR(ratio[0].item<double>(), 6.0 / (3 * 3), 1e-5);
  EXPECT_NEAR(ratio[1].item<double>(), 6.0 / (3 * 1), 1e-5);
  EXPECT_NE(message_of(
                [] {
                  fit_task(choice({"task.imbalance=weights"}), kClasses, {0, 1, 3});
                },
                ErrorKind::Data)
                .find("class 2"),
            std::string::npos);
}

TEST(Task, AnswersWithProbabilitiesOfAllClassesWhateverTheLoss) {
  const Outcomes two{2, {0, 1}, {}, {}};
  for (const auto& [setting, o] : {std::pair<const char*, Outcomes>{"task.loss=focal", kClasses},
                                   {"task.loss=multi_label", kClasses},
                                   {"task.loss=bernoulli", two},
                                   {"task.name=ordinal", kClasses}}) {
    const auto task = fit_task(choice({setting}), o, {0, 1});
    const Tensor p = task->answers(at::randn({5, task->n_outputs()}));
    EXPECT_EQ(p.sizes(), (std::vector<int64_t>{5, o.n_classes})) << setting;
    EXPECT_TRUE(at::allclose(p.sum(1), at::ones({5}))) << setting;
  }
  EXPECT_FALSE(message_of([] { fit_task(choice({"task.loss=bernoulli"}), kClasses, kAll); }, ErrorKind::Config).empty());
}

TEST(Task, ALossOfBranchesGoesByTheBagOfEachRow) {
  const auto task = fit_task(choice({"task.loss=multi_label"}), kClasses, kAll);
  const Tensor logits = at::randn({3, 3}), bag_M = at::tensor({1, 0, 1}, at::kLong);
  const Tensor one_hot = at::one_hot(at::tensor({2, 1, 2}, at::kLong), 3).to(at::kFloat);  // bags 1 and 2 of the cohort
  EXPECT_TRUE(at::allclose(task->loss({1, 2})(logits, bag_M), multi_label_loss(logits, one_hot)));
}

TEST(Task, HazardsCutTheirBinsOnTrainingBags) {
  const auto task = fit_task(choice({"task.name=hazards", "task.bins=2"}), kTimes, {0, 2, 3});
  const TimeBins bins = cut_time_bins({5, 9, 1}, {false, false, false}, 2);
  const Tensor logits = at::randn({2, 2});
  const Tensor bin_B = at::tensor({bins.bin_of(3), bins.bin_of(4)}, at::kLong), censored_B = at::tensor({1, 0}, at::kLong);
  EXPECT_TRUE(at::allclose(losses(*task, {1, 5}, logits), nll_discrete(logits, bin_B, censored_B)));
  EXPECT_FALSE(message_of([] { fit_task(choice({"task.name=hazards"}), kTimes, {0, 2, 3}); }, ErrorKind::Data).empty());  // four bins of three times
  EXPECT_NE(message_of([] { fit_task(choice({"task.name=cox"}), kTimes, {1, 4}); }, ErrorKind::Data).find("censored"), std::string::npos);
}

TEST(Task, CoxGivesEveryBagTheStepsLossSoThatTheirMeanIsIt) {
  const auto task = fit_task(choice({"task.name=cox"}), kTimes, kAll);
  const Tensor eta = at::randn({6, 1}).requires_grad_();
  const Tensor expected = cox_loss(eta.select(1, 0), at::tensor(kTimes.event, at::kLong).to(at::kBool), at::tensor(kTimes.time, at::kDouble));
  const Tensor got = losses(*task, kAll, eta).mean();
  EXPECT_NEAR(got.item<double>(), expected.item<double>(), 1e-6);
  got.backward();
  const Tensor grad = eta.grad().clone();
  eta.mutable_grad().zero_();
  expected.backward();
  EXPECT_TRUE(at::allclose(grad, eta.grad(), 1e-5, 1e-7));
  EXPECT_EQ(outcome_of(choice({"task.name=cox"})), data::Outcome::Survival);
}

// ----------------------------------------------------------------------------------------------- several columns
const Outcomes kNumbers{0, {}, {}, {}, {"er", "pr"}, {1, NAN, 3, 10, 8, NAN, NAN, 40, 2, 30}};  // five bags
const Outcomes kFlags{0, {}, {}, {}, {"er", "pr"}, {1, NAN, 0, 1, 0, NAN, NAN, 0, 0, 1}};

TEST(Task, RegressionIsOfTargetsStandardisedByTheKnownTrainingBags) {
  const std::vector<int64_t> train = {0, 1, 2, 3};
  const auto mse = fit_task(choice({"task.name=regression"}), kNumbers, train),
             huber = fit_task(choice({"task.name=regression", "task.loss=smooth_l1", "task.beta=0.5"}), kNumbers, train);
  const double mean = 4, deviation = std::sqrt((9.0 + 1 + 16) / 3);  // of 1, 3, 8
  const Tensor logits = at::tensor({0.5, -1.0, 0.25, 2.0}, at::kDouble).view({2, 2});
  const auto z = [&](double v) { return (v - mean) / deviation; };
  const Tensor got = losses(*mse, {0, 4}, logits);
  EXPECT_NEAR(got[0].item<double>(), std::pow(0.5 - z(1), 2), 1e-12);  // pr is unknown
  EXPECT_NEAR(got[1].item<double>(), (std::pow(0.25 - z(2), 2) + std::pow(2 - (30 - 25) / 15.0, 2)) / 2, 1e-12);
  const double d = std::abs(0.5 - z(1));
  EXPECT_NEAR(losses(*huber, {0, 4}, logits)[0].item<double>(), d < 0.5 ? 0.5 * d * d / 0.5 : d - 0.25, 1e-12);
  EXPECT_TRUE(
      at::allclose(mse->answers(logits), at::tensor({mean + 0.5 * deviation, 10.0, mean + 0.25 * deviation, 55.0}, at::kDouble).view({2, 2})));
  // Branches go by the bag of each row.
  EXPECT_NEAR(mse->loss({0, 4})(logits, at::tensor({1, 0}, at::kLong))[1].item<double>(), std::pow(0.25 - z(1), 2), 1e-12);
  for (const auto& bags : {std::vector<int64_t>{0, 1, 2}, std::vector<int64_t>{0, 2, 3, 4}})  // pr once, er twice the same: only the first is wrong
    if (bags.size() == 3)
      EXPECT_NE(message_of([&] { fit_task(choice({"task.name=regression"}), kNumbers, bags); }, ErrorKind::Data).find("'pr' has 1 known"),
                std::string::npos);
    else
      EXPECT_NO_THROW(fit_task(choice({"task.name=regression"}), kNumbers, bags));
}

TEST(Task, AnUnknownTargetHasNoGradient) {
  for (const char* name : {"task.name=regression", "task.name=multi_label"}) {
    const auto task = fit_task(choice({name}), std::string(name).ends_with("label") ? kFlags : kNumbers, {0, 1, 3, 4});
    Tensor logits = at::randn({5, 2}).requires_grad_();
    task->loss({0, 1, 2, 3, 4})(logits, at::arange(5, at::kLong)).sum().backward();
    const Tensor is_zero = logits.grad() == 0;
    EXPECT_TRUE(is_zero.equal(at::tensor({0, 1, 0, 0, 0, 1, 1, 0, 0, 0}, at::kLong).view({5, 2}).to(at::kBool))) << name;
  }
}

TEST(Task, MultiLabelIsASigmoidATargetWithTheWeightOfItsYes) {
  const auto task = fit_task(choice({"task.name=multi_label"}), kFlags, {0, 1, 2, 3, 4}),
             weighted = fit_task(choice({"task.name=multi_label", "task.imbalance=weights"}), kFlags, {0, 1, 2, 3, 4});
  const Tensor logits = at::tensor({0.5, -1.0}, at::kDouble).view({1, 2});
  const auto nll = [](double x, bool yes) { return std::log1p(std::exp(yes ? -x : x)); };
  EXPECT_NEAR(losses(*task, {1}, logits).item<double>(), (nll(0.5, false) + nll(-1, true)) / 2, 1e-12);
  EXPECT_NEAR(losses(*weighted, {1}, logits).item<double>(), (nll(0.5, false) + nll(-1, true) / 2) / 2, 1e-12);  // pr: two yes, one no
  EXPECT_NEAR(losses(*weighted, {0}, logits).item<double>(), 3 * nll(0.5, true), 1e-12);                         // er: one yes, three no
  EXPECT_TRUE(at::allclose(task->answers(logits), logits.sigmoid()));
  EXPECT_NE(message_of([] { fit_task(choice({"task.name=multi_label"}), kFlags, {1, 2, 4}); }, ErrorKind::Data).find("'er'"), std::string::npos);
}

}  // namespace
}  // namespace eosin::mil
