#include "mil/task.h"

#include "core/base/error.h"
#include "mil/class_losses.h"
#include "mil/survival_loss.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

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
  EXPECT_TRUE(is_survival(choice({"task.name=cox"})));
}

}  // namespace
}  // namespace eosin::mil
