#include "ssl/classify.h"

#include "core/nn/weights.h"
#include "ssl/classification_loss.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

const data::ClassList kClasses{{"fat", "gland", "stroma"}, {30, 10, 20}};
const Tensor kLabels = at::tensor({2, 0, 1, 2, 2}, at::kLong);

MakeMethod classify(const ClassifyConfig& config) {
  return [config](const std::shared_ptr<Comm>& comm, double drop_path) {
    auto method = std::make_unique<Classify>(config, small_encoder(drop_path), kClasses, 11, comm);
    method->to(at::kDouble);
    method->train();
    return method;
  };
}

ClassifyConfig mixed() {
  ClassifyConfig c;
  c.mix.mixup_alpha = 0.8, c.mix.cutmix_alpha = 1;
  c.balance = 0.5, c.layer_decay = 0.7, c.pooling = "cls_mean";
  return c;
}

TEST(ClassificationLoss, IsTorchsButForTheWeights) {
  const Tensor logits = random_leaf(1, 5, 3), weight = at::tensor({0.5, 2.0, 1.0}, at::kDouble);
  EXPECT_NEAR(classification_loss(logits, kLabels, 0.1).item<double>(),
              at::cross_entropy_loss(logits, kLabels, {}, at::Reduction::Mean, -100, 0.1).item<double>(), 1e-12);
  const Tensor each = at::cross_entropy_loss(logits, kLabels, {}, at::Reduction::None);
  EXPECT_NEAR(classification_loss(logits, kLabels, 0, weight).item<double>(), (each * weight.index_select(0, kLabels)).mean().item<double>(), 1e-12);
  const Tensor shares = at::one_hot(kLabels, 3).to(at::kDouble);
  EXPECT_NEAR(classification_loss(logits, shares, 0.1, weight).item<double>(), classification_loss(logits, kLabels, 0.1, weight).item<double>(),
              1e-12);
  expect_gradients([&] { return classification_loss(logits, shares * 0.7 + 0.1, 0.1, weight); }, {{"logits", logits}});
  EXPECT_THAT(message_of([&] { classification_loss(logits, kLabels.slice(0, 1)); }, ErrorKind::Shape), HasSubstr("[5, 3] and labels of [4]"));
}

TEST(Classify, TwoRanksEqualOneAndResumeIsExact) {
  for (const ClassifyConfig& config : {ClassifyConfig{}, mixed()}) {
    expect_two_ranks_equal_one(classify(config), view_batch(1, 8, 1));
    expect_resume_bit_for_bit(classify(config), 1);
  }
}

TEST(Classify, LearnsItsLabelsAndLogsAccuracy) {
  ClassifyConfig config;
  config.label_smoothing = 0;
  const auto method = classify(config)(make_single_comm(), 0);
  optim::AdamW adamw({}, method->param_groups());
  const data::ViewBatch batch = view_batch(1, 6);
  double last = 0;
  for (int64_t k = 0; k < 40; ++k) last = step(*method, adamw, batch, k);
  EXPECT_LT(last, 0.1);
  const train::Loss loss = method->forward(batch, at_step(0, true));
  ASSERT_EQ(loss.parts.size(), 1u);
  EXPECT_EQ(loss.parts[0].first, "accuracy");
  EXPECT_EQ(loss.parts[0].second.item<double>(), 1);
}

TEST(Classify, AFrozenEncoderStaysAndOnlyTheHeadIsTrained) {
  ClassifyConfig config;
  config.freeze_backbone = true;
  const auto method = classify(config)(make_single_comm(), 0.5);
  std::vector<std::string> names;
  for (const auto& group : method->param_groups()) names.insert(names.end(), group.names.begin(), group.names.end());
  EXPECT_THAT(names, testing::UnorderedElementsAre("student.head.weight", "student.head.bias"));
  const TensorMap before = snapshot(*method);
  optim::AdamW adamw({}, method->param_groups());
  step(*method, adamw, view_batch(1), 0);
  for (const auto& [name, t] : snapshot(*method)) EXPECT_EQ(t.equal(before.at(name)), !name.starts_with("student.head.")) << name;
}

TEST(Classify, TheStateIsAnEncoderWithItsPooling) {
  const auto method = classify(mixed())(make_single_comm(), 0);
  const State state = method->state();
  EXPECT_EQ(state.values.at("classes"), kClasses.names);
  const nn::EncoderSpec spec = nn::encoder_spec_from_json(state.values.at("encoder"), "test");
  EXPECT_EQ(spec.vit().global_pool, "token_avg");
  EXPECT_EQ(state.tensors.at("student.head.weight").size(1), spec.vit().feature_dim());
  State other{snapshot(*method), state.values};
  other.values["classes"] = {"a", "b", "c"};
  EXPECT_THAT(message_of([&] { method->load_state(other); }, ErrorKind::Data), HasSubstr("began with the classes a, b, c (now fat, gland, stroma)"));
}

TEST(Classify, RatesFallWithDepthAndTokensDoNotDecay) {
  const auto method = classify(mixed())(make_single_comm(), 0);
  std::map<std::string, train::ParamGroup> group_of;
  for (const auto& group : method->param_groups())
    for (const std::string& name : group.names) group_of[name] = group;
  EXPECT_NEAR(group_of.at("student.backbone.pos_embed").lr_scale, 0.7 * 0.7 * 0.7, 1e-12);
  EXPECT_NEAR(group_of.at("student.backbone.blocks.1.mlp.fc1.weight").lr_scale, 0.7, 1e-12);
  EXPECT_EQ(group_of.at("student.head.weight").lr_scale, 1);
  EXPECT_EQ(group_of.at("student.backbone.cls_token").weight_decay_scale, 0);
  EXPECT_EQ(group_of.at("student.backbone.blocks.1.mlp.fc1.weight").weight_decay_scale, 1);
}

TEST(Classify, ClassesWeighByTheirTiles) {
  ClassifyConfig config;
  EXPECT_FALSE(class_weights(config, kClasses).defined());
  config.balance = 1;
  const Tensor inverse = class_weights(config, kClasses);
  EXPECT_TRUE(inverse.allclose(at::tensor({2.0 / 3, 2.0, 1.0}, at::kDouble)));
  config.balance = 0, config.class_weights = {1, 1, 4};
  const Tensor given = class_weights(config, kClasses);
  EXPECT_NEAR(given.dot(at::tensor({30.0, 10.0, 20.0}, at::kDouble)).item<double>() / 60, 1, 1e-12);
  EXPECT_NEAR((given[2] / given[0]).item<double>(), 4, 1e-12);
  config.class_weights = {1, 2};
  EXPECT_THAT(message_of([&] { class_weights(config, kClasses); }, ErrorKind::Config), HasSubstr("2 weights for 3 classes: fat, gland, stroma"));
}

TEST(Classify, WhatCannotWorkIsNamed) {
  const auto method = classify({})(make_single_comm(), 0);
  data::ViewBatch batch = view_batch(1);
  batch.labels_B = Tensor();
  EXPECT_THAT(message_of([&] { method->forward(batch, at_step(0)); }, ErrorKind::Data), HasSubstr("a batch without labels"));
  EXPECT_THAT(message_of([] { Classify({}, small_encoder(), {}, 1, make_single_comm()); }, ErrorKind::Config), HasSubstr("0 classes are known"));
  Collected some, labels, surplus;
  ClassifyConfig config;
  config.balance = 1, config.class_weights = {1, 2, 3}, config.freeze_backbone = true, config.layer_decay = 0.9;
  config.validate(some);
  EXPECT_THAT(some.all, HasSubstr("balance: class_weights are given"));
  EXPECT_THAT(some.all, HasSubstr("layer_decay: is for a backbone that is trained"));
  RunShape run;
  check_run(config::Choice(method_table(), "classify"), run, labels);
  EXPECT_THAT(labels.all, HasSubstr("data.labels.column: classify learns from labels"));
  run.labels = "class", run.crop_sizes = {96, 96};
  check_run(config::Choice(method_table(), "simclr"), run, surplus);
  EXPECT_THAT(surplus.all, HasSubstr("data.labels.column: simclr learns without labels"));
}

}  // namespace
}  // namespace eosin::ssl
