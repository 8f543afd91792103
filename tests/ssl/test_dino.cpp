#include "core/base/error.h"
#include "optim/adamw.h"
#include "ssl/dino.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/ssl/plain_losses.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

DinoConfig config() {
  DinoConfig c;
  c.n_prototypes = 23;
  c.hidden_dim = 13;
  c.bottleneck_dim = 7;
  c.momentum = 0.9;
  c.warmup_teacher_temp_steps = 4;
  c.warmup_teacher_temp = 0.02;
  return c;
}

nn::EncoderSpec encoder(double drop_path = 0) {
  nn::EncoderSpec spec;
  spec.vit().img_size = {15, 15};
  spec.vit().patch_size = 5;
  spec.vit().embed_dim = 14;
  spec.vit().depth = 2;
  spec.vit().num_heads = 2;
  spec.vit().mlp_hidden = 11;
  spec.vit().drop_path_rate = drop_path;
  return spec;
}

/// One process that pretends to be one of several which all hold the same.
class EqualRanks final : public Comm {
 public:
  explicit EqualRanks(int size) : size_(size) {}
  int rank() const override { return 0; }
  int size() const override { return size_; }
  void all_reduce_sum(Tensor& t) override { t.mul_(size_); }
  void broadcast(Tensor&, int) override {}
  Tensor all_gather(const Tensor& t) override { return t; }
  void barrier() override {}

 private:
  int size_;
};

std::unique_ptr<Dino> make(const DinoConfig& c = config(), double drop_path = 0, int ranks = 1) {
  auto dino = std::make_unique<Dino>(c, encoder(drop_path), 11, std::make_shared<EqualRanks>(ranks));
  dino->to(at::kDouble);
  return dino;
}

data::ViewBatch batch(uint64_t seed, int64_t tiles = 3, int64_t locals = 2) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  data::ViewBatch b;
  for (int64_t v = 0; v < 2 + locals; ++v) {
    const int64_t side = v < 2 ? 15 : 10;
    b.views_BCHW.push_back(at::randn({tiles, 3, side, side}, generator, at::kDouble));
  }
  b.first_position = static_cast<int64_t>(seed) * tiles;
  b.ids.resize(static_cast<size_t>(tiles));
  return b;
}

train::Progress at_step(int64_t step) {
  train::Progress p;
  p.step = step;
  p.steps = 10;
  return p;
}

double step(Dino& dino, optim::AdamW& adamw, int64_t k) {
  adamw.zero_grad();
  const train::Loss loss = dino.forward(batch(static_cast<uint64_t>(k)), at_step(k));
  loss.total.backward();
  adamw.step({1e-2, 0.1, false, dino.momentum(at_step(k))});
  dino.after_update(at_step(k));
  return loss.total.item<double>();
}

TensorMap snapshot(Dino& dino) {
  TensorMap copy;
  for (const auto& [name, t] : dino.state().tensors) copy.emplace(name, t.detach().clone());
  return copy;
}

TEST(Dino, TeacherGetsNoGradientAndStartsAsTheStudent) {
  auto dino = make();
  const TensorMap start = snapshot(*dino);
  dino->forward(batch(1), at_step(0)).total.backward();
  for (const auto& item : dino->named_parameters()) {
    const std::string name = item.key();
    const bool teacher = name.rfind("teacher.", 0) == 0, frozen = name == "student.head.last_layer.weight_g";
    EXPECT_EQ(item.value().grad().defined(), !teacher && !frozen) << name;
    if (teacher) EXPECT_TRUE(item.value().equal(start.at("student." + name.substr(8)))) << name;
  }
}

TEST(Dino, CopyingIgnoresWhatTheTeacherHeld) {
  auto dino = make();
  {
    const at::NoGradGuard no_grad;
    for (Tensor& p : dino->teacher_backbone().parameters()) p.fill_(NAN);
  }
  dino->copy_student_to_teacher();
  for (const auto& [name, t] : dino->state().tensors) EXPECT_TRUE(t.isfinite().all().item<bool>()) << name;
}

TEST(Dino, TeacherEqualsTheClosedFormAverage) {
  auto dino = make();
  optim::AdamW adamw({}, dino->param_groups());
  adamw.add_averages(dino->averages());
  const std::string name = "backbone.blocks.1.attn.proj.weight";
  Tensor expected = snapshot(*dino).at("teacher." + name);
  for (int64_t k = 0; k < 3; ++k) {
    step(*dino, adamw, k);
    const double m = plain::momentum(0.9, k, 10);
    expected = expected * m + snapshot(*dino).at("student." + name) * (1 - m);
  }
  EXPECT_TRUE(snapshot(*dino).at("teacher." + name).allclose(expected, 1e-12, 1e-14));
}

TEST(Dino, SchedulesReachTheirEnds) {
  auto dino = make();
  const auto value = [&](int64_t k, const std::string& name) {
    for (const auto& [key, v] : dino->schedule_values(at_step(k)))
      if (key == name) return v;
    return -1.0;
  };
  EXPECT_DOUBLE_EQ(value(0, "momentum"), 0.9);
  EXPECT_LT(value(9, "momentum"), 1.0);
  EXPECT_DOUBLE_EQ(value(0, "teacher_temp"), 0.02);
  EXPECT_DOUBLE_EQ(value(3, "teacher_temp"), 0.04);
  EXPECT_DOUBLE_EQ(value(9, "teacher_temp"), 0.04);
}

/// The centre of two halves in one step, and of two ranks with the same data, is the centre of the whole.
TEST(Dino, CenterIsTheSameForMicroStepsAndRanks) {
  auto whole = make(), halves = make(), ranks = make(config(), 0, 2);
  const data::ViewBatch full = batch(1, 4);
  data::ViewBatch first = full, second = full;
  for (size_t v = 0; v < full.views_BCHW.size(); ++v) {
    first.views_BCHW[v] = full.views_BCHW[v].narrow(0, 0, 2);
    second.views_BCHW[v] = full.views_BCHW[v].narrow(0, 2, 2);
  }
  train::Progress p = at_step(0);
  whole->forward(full, p);
  ranks->forward(full, p);
  halves->forward(first, p);
  p.micro = 1;
  halves->forward(second, p);
  for (auto* dino : {whole.get(), halves.get(), ranks.get()}) dino->after_update(p);
  EXPECT_TRUE(snapshot(*whole).at("center").allclose(snapshot(*halves).at("center"), 1e-12, 1e-14));
  EXPECT_TRUE(snapshot(*whole).at("center").allclose(snapshot(*ranks).at("center"), 1e-12, 1e-14));
}

TEST(Dino, ResumesBitForBit) {
  auto straight = make(config(), 0.5), resumed = make(config(), 0.5);
  optim::AdamW a({}, straight->param_groups());
  a.add_averages(straight->averages());
  for (int64_t k = 0; k < 2; ++k) step(*straight, a, k);
  const State dino_state{snapshot(*straight), straight->state().values};
  State optimizer_state = a.state();
  for (auto& [name, t] : optimizer_state.tensors) t = t.clone();
  const double next = step(*straight, a, 2);

  optim::AdamW b({}, resumed->param_groups());
  b.add_averages(resumed->averages());
  resumed->load_state(dino_state);
  b.load_state(optimizer_state);
  ASSERT_EQ(step(*resumed, b, 2), next);
  const TensorMap x = snapshot(*straight), y = snapshot(*resumed);
  for (const auto& [name, t] : x) ASSERT_TRUE(t.equal(y.at(name))) << name;
}

TEST(Dino, GroupsSpareBiasesFromDecayAndMarkTheLastLayer) {
  DinoConfig decayed = config();
  decayed.layer_decay = 0.5;
  std::map<std::string, optim::ParamRule> rules;
  auto dino = make(decayed);
  for (const auto& group : dino->param_groups())
    for (const auto& name : group.names) rules[name] = group;
  EXPECT_EQ(rules.at("student.backbone.blocks.0.attn.qkv.weight").weight_decay_scale, 1);
  EXPECT_EQ(rules.at("student.backbone.blocks.0.attn.qkv.bias").weight_decay_scale, 0);
  EXPECT_EQ(rules.at("student.backbone.norm.weight").weight_decay_scale, 0);
  EXPECT_TRUE(rules.at("student.head.last_layer.weight_v").last_layer);
  EXPECT_EQ(rules.count("student.head.last_layer.weight_g"), 0u);
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.norm.weight").lr_scale, 1);
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.blocks.1.mlp.fc1.weight").lr_scale, 0.5);
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.pos_embed").lr_scale, 0.125);
  EXPECT_DOUBLE_EQ(rules.at("student.head.mlp.0.weight").lr_scale, 1);
}

TEST(Dino, PartsAndErrors) {
  auto dino = make();
  train::Progress p = at_step(0);
  EXPECT_EQ(dino->forward(batch(1), p).parts.size(), 1u);
  p.log_step = true;
  EXPECT_EQ(dino->forward(batch(1), p).parts.size(), 4u);
  data::ViewBatch one = batch(1);
  one.views_BCHW.resize(1);
  EXPECT_THROW(dino->forward(one, p), Error);
}

TEST(Methods, RunsAreCheckedAcrossBlocks) {
  config::Choice method(method_table(), "dino");
  Collected none, some;
  check_run(method, {16, {96, 96, 48}, 300}, none);
  EXPECT_EQ(none.all, "");
  check_run(method, {16, {96, 100, 50}, 300}, some);
  EXPECT_THAT(some.all, HasSubstr("50 px is not a multiple of the patch size 16; nearest crop sizes: 48 or 64"));
  EXPECT_THAT(some.all, HasSubstr("two global crops"));
}

TEST(Methods, MakesDinoWithTheConfiguredBackbone) {
  config::Choice method(method_table(), "dino");
  dynamic_cast<config::ConfigOf<DinoConfig>&>(method.config()).value = config();
  Ingredients with;
  with.model.name = "vit_tiny";
  with.model.image_size_px = 32;
  with.comm = std::make_shared<EqualRanks>(1);
  with.mean = {0.5, 0.5, 0.5};
  const auto objective = make_objective(method, with);
  const State state = objective->state();
  EXPECT_EQ(state.tensors.at("teacher.backbone.pos_embed").sizes(), (std::vector<int64_t>{1, 5, 192}));
  EXPECT_EQ(state.values["encoder"]["mean"], with.mean);
}

}  // namespace
}  // namespace eosin::ssl
