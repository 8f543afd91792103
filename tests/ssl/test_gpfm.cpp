#include "ssl/gpfm.h"

#include "core/nn/encoder.h"
#include "core/nn/weights.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/temporary_folder.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

class GpfmTest : public testing::Test {
 protected:
  void SetUp() override {
    write("narrow", 8, 1);
    write("wide", 20, 2);
  }
  void write(const std::string& name, int64_t width, uint64_t seed) {
    nn::EncoderSpec spec = small_encoder();
    spec.vit().img_size = {10, 10}, spec.vit().embed_dim = width;
    nn::Vit vit(spec.vit());
    vit->init_weights(seed);
    nn::write_encoder(folder / name, spec, nn::named_weights(*vit));
  }
  GpfmConfig config() const {
    GpfmConfig c;
    c.dinov2.n_prototypes = 13, c.dinov2.hidden_dim = 7, c.dinov2.bottleneck_dim = 5;
    c.dinov2.koleo_weight = 0.1;
    c.experts.teachers = {folder / "narrow", folder / "wide"};
    c.experts.cls_weights = {1.0, 0.5}, c.experts.patch_weights = {0.25, 0};
    c.experts.patch_losses = {"cosine_smooth_l1"}, c.experts.bottleneck_dim = 6;
    return c;
  }
  TemporaryFolder folder;
};

/// Masks that do not depend on how the batch is shared out among ranks.
data::ViewBatch masked_batch(uint64_t seed, int64_t tiles) {
  data::ViewBatch batch = view_batch(seed, tiles, 1);
  batch.masks_BN = at::rand({2 * tiles, 9}, at::detail::createCPUGenerator(seed)) < 0.4;
  return batch;
}

TEST_F(GpfmTest, IsDinov2AndItsExperts) {
  Gpfm method(config(), small_encoder(), 11, make_single_comm());
  Dinov2 alone(config().dinov2, small_encoder(), 11, make_single_comm());
  method.to(at::kDouble), alone.to(at::kDouble);
  const data::ViewBatch batch = masked_batch(1, 4);
  const train::Loss loss = method.forward(batch, at_step(0)), own = alone.forward(batch, at_step(0));
  double experts = 0;
  std::vector<std::string> names;
  for (const auto& [name, value] : loss.parts)
    if (name.starts_with("expert")) experts += value.item<double>(), names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("expert0_cls", "expert0_patch", "expert1_cls"));
  EXPECT_NEAR(loss.total.item<double>(), own.total.item<double>() + experts, 1e-10);
  EXPECT_GT(experts, 0.1);
}

TEST_F(GpfmTest, ItsTeacherFollows) {
  Gpfm method(config(), small_encoder(), 11, make_single_comm());
  method.to(at::kDouble);
  const std::string name = "backbone.blocks.0.mlp.fc1.weight";
  const Tensor before = snapshot(method).at("teacher." + name);
  optim::AdamW adamw({}, method.param_groups());
  adamw.add_averages(method.averages());
  step(method, adamw, masked_batch(1, 4), 0);
  const TensorMap after = snapshot(method);
  const double m = method.momentum(at_step(0));
  EXPECT_LT(m, 1);
  EXPECT_TRUE(after.at("teacher." + name).allclose(before * m + after.at("student." + name) * (1 - m), 1e-12, 1e-14));
}

/// The student's tokens are of masked crops, the experts' of whole ones.
TEST_F(GpfmTest, ExpertsSeeWholeCropsAndTheStudentMaskedOnes) {
  GpfmConfig c = config();
  Gpfm method(c, small_encoder(), 11, make_single_comm());
  method.to(at::kDouble);
  data::ViewBatch batch = masked_batch(1, 4);
  const auto term = [&](const data::ViewBatch& b) {
    for (const auto& [name, value] : method.forward(b, at_step(0)).parts)
      if (name == "expert1_cls") return value.item<double>();
    return std::nan("");
  };
  const double masked = term(batch);
  batch.masks_BN = batch.masks_BN.logical_not();
  EXPECT_NE(term(batch), masked);
  DistillTeacher expert = load_teacher(c.experts, 1, small_encoder());
  expert.encoder.model->to(at::kDouble);
  auto& student = dynamic_cast<nn::VitImpl&>(method.student_backbone());
  nn::VitPass pass;
  pass.masks_BN = {batch.masks_BN};
  const Tensor global = at::cat({batch.views_BCHW[0], batch.views_BCHW[1]});
  const std::vector<DistillTeacher> experts = {load_teacher(c.experts, 0, small_encoder()), expert};
  ExpertHeads heads(14, experts, 6);
  heads->to(at::kDouble);
  TensorMap weights;
  for (const auto& [name, t] : method.state().tensors)
    if (name.starts_with("expert_heads.")) weights.emplace(name.substr(13), t);
  nn::load_weights(*heads, weights);
  const Tensor head = heads->each[1](student.class_tokens(student.forward_tokens(global, pass)));
  EXPECT_NEAR(term(batch), 0.5 * (1 - at::cosine_similarity(head, expert.see(global).cls_BD, 1, 1e-8).mean().item<double>()), 1e-10);
}

TEST_F(GpfmTest, TwoRanksEqualOneAndResumeIsExact) {
  GpfmConfig c = config();
  c.dinov2.mask_probability = 0, c.dinov2.ibot_weight = 0;  // masks are drawn for a rank's batch
  expect_two_ranks_equal_one(maker<Gpfm>(c), view_batch(1, 6, 1));
  expect_resume_bit_for_bit(maker<Gpfm>(config()), 1);
}

TEST_F(GpfmTest, TheTeacherFollows) {
  const auto method = maker<Gpfm>(config())(make_single_comm(), 0);
  const TensorMap start = snapshot(*method);
  optim::AdamW adamw({}, method->param_groups());
  adamw.add_averages(method->averages());
  step(*method, adamw, view_batch(1, 4, 1), 0);
  const TensorMap after = snapshot(*method);
  const double momentum = method->momentum(at_step(0));
  EXPECT_EQ(momentum, config().dinov2.momentum);
  for (const std::string name : {"backbone.blocks.1.mlp.fc1.weight", "dino_head.last_layer.weight_v"})
    EXPECT_TRUE(
        after.at("teacher." + name).allclose(start.at("teacher." + name) * momentum + after.at("student." + name) * (1 - momentum), 1e-12, 1e-14))
        << name;
}

TEST_F(GpfmTest, TheStateHasAStudentATeacherAndHeadsAndNoExperts) {
  const auto method = maker<Gpfm>(config())(make_single_comm(), 0);
  const State state = method->state();
  EXPECT_EQ(nn::backbone_prefix(state.tensors, "test"), "teacher.backbone.");
  EXPECT_EQ(state.tensors.count("expert_heads.1.last_layer.weight_g"), 1u);
  EXPECT_EQ(state.values.at("teachers").size(), 2u);
  for (const auto& [name, t] : state.tensors) EXPECT_TRUE(name.find("experts") == std::string::npos) << name;
  std::vector<std::string> clipped;
  for (const auto& group : method->param_groups()) clipped.push_back(group.clip_group);
  EXPECT_THAT(clipped, testing::Contains("expert_heads"));
  write("wide", 20, 3);
  const State before{snapshot(*method), state.values};
  const auto other = maker<Gpfm>(config())(make_single_comm(), 0);
  EXPECT_THAT(message_of([&] { other->load_state(before); }, ErrorKind::Data), HasSubstr("has other weights than the run began with"));
}

TEST_F(GpfmTest, RunsThatCannotWorkAreNamedByTheirBlock) {
  Collected some;
  config::Choice method(method_table(), "gpfm");
  auto& c = dynamic_cast<config::ConfigOf<GpfmConfig>&>(method.config()).value;
  c.dinov2.warmup_teacher_temp_steps = 20, c.experts.cached_features = {"a"}, c.dinov2.frozen_teacher = "run";
  RunShape run;
  run.steps = 10, run.crop_sizes = {96};
  check_run(method, run, some);
  EXPECT_THAT(some.all, HasSubstr("method.dinov2.warmup_teacher_temp_steps: 20 is longer than the run"));
  EXPECT_THAT(some.all, HasSubstr("method.experts.cached_features: experts see the crops"));
  EXPECT_THAT(some.all, HasSubstr("method.dinov2.frozen_teacher: gpfm's student teaches itself"));
  EXPECT_THAT(some.all, HasSubstr("gpfm needs two global crops of one size"));
}

}  // namespace
}  // namespace eosin::ssl
