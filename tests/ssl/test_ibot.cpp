#include "core/base/error.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "ssl/ibot.h"
#include "ssl/ibot_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/plain_losses.h"
#include "tests/ssl/tiny_run.h"
#include "tests/thread_ranks.h"

namespace eosin::ssl {
namespace {

using namespace tiny;

IbotConfig config() {
  IbotConfig c;
  c.n_prototypes = 17;
  c.hidden_dim = 13;
  c.bottleneck_dim = 7;
  c.mask_ratio = {0.3, 0.8};
  return c;
}

std::unique_ptr<Ibot> make(double drop_path = 0, std::shared_ptr<Comm> comm = make_single_comm()) {
  auto method = std::make_unique<Ibot>(config(), encoder(drop_path), 11, std::move(comm));
  method->to(at::kDouble);
  return method;
}

/// The definition: mean over crops of the mean over each crop's masked patches.
double by_crops(const Tensor& student_BNK, const Tensor& targets_BNK, const Tensor& masks_BN, double temperature) {
  const Tensor ce_BN = -(targets_BNK * at::log_softmax(student_BNK / temperature, -1)).sum(-1);
  return ((ce_BN * masks_BN).sum(1) / masks_BN.sum(1).clamp_min(1)).mean().item<double>();
}

TEST(IbotPatchLoss, IsTheMeanOverCropsOfTheirMaskedPatches) {
  const Tensor student = at::randn({5, 7, 3}, at::kDouble), targets = at::softmax(at::randn({5, 7, 3}, at::kDouble), -1);
  Tensor masks = at::rand({5, 7}) < 0.4;
  masks[2].fill_(false);
  const PatchMasks list = patch_masks(masks);
  const auto masked = [&](const Tensor& t) { return t.flatten(0, 1).index_select(0, list.indices_M); };
  const auto loss = [&](const Tensor& s, const Tensor& t) { return ibot_patch_loss(s, plain::identity(s), plain::as_targets(t), list, 0.3); };
  EXPECT_NEAR(loss(masked(student), masked(targets)).item<double>(), by_crops(student, targets, masks, 0.3), 1e-6);
  EXPECT_THROW(loss(student.flatten(0, 1), targets.flatten(0, 1)), Error);
}

TEST(IbotPatchLoss, Gradients) {
  const PatchMasks list = patch_masks(at::rand({4, 6}) < 0.5);
  const int64_t masked = list.indices_M.numel();
  const Tensor student = at::randn({masked, 5}, at::kDouble).requires_grad_(), targets = at::softmax(at::randn({masked, 5}, at::kDouble), -1);
  const auto loss = [&] { return ibot_patch_loss(student, plain::identity(student), plain::as_targets(targets), list, 0.5); };
  expect_gradients(loss, {{"student", student}}, 40);
}

/// The logits of one of the method's networks: of its class tokens [B, K] and of its patches [B, N, K].
struct Logits {
  Tensor cls, patches;
};
Logits logits_of(Ibot& method, const std::string& net, const Tensor& images, const nn::VitPass& pass = {}) {
  DinoHeadShape shape;
  shape.in_dim = 12, shape.hidden_dim = 13, shape.bottleneck_dim = 7, shape.n_prototypes = 17;
  nn::EncoderSpec spec = encoder();
  spec.vit().mask_token = true;
  DinoNet copy(spec.model, shape, make_single_comm());
  copy->to(at::kDouble);
  TensorMap weights;
  for (const auto& [name, t] : snapshot(method))
    if (name.starts_with(net)) weights.emplace(name.substr(net.size()), t);
  nn::load_weights(*copy, weights);
  nn::Vit vit = nn::as_vit(copy->backbone);
  const Tensor tokens = vit->forward_tokens(images, pass), patches = vit->patch_tokens(tokens);
  return {copy->head(vit->class_tokens(tokens)), copy->head(patches.flatten(0, 1)).view({patches.size(0), patches.size(1), -1})};
}

/// Half way through the warm-up of the temperatures, with centres that have moved, and everything of patches other than that of class tokens.
TEST(Ibot, IsTheWeightedSumOfBothLossesAndMovesBothCentres) {
  IbotConfig c = config();
  c.cls_weight = 0.7, c.patch_weight = 1.3, c.center_momentum = 0.8, c.patch_center_momentum = 0.6, c.student_temp = 0.5;
  c.warmup_teacher_temp = 0.2, c.teacher_temp = 0.4, c.warmup_teacher_patch_temp = 0.3, c.teacher_patch_temp = 0.7;
  c.warmup_teacher_temp_steps = 5;
  Ibot method(c, encoder(), 11, make_single_comm());
  method.to(at::kDouble);
  const at::NoGradGuard no_grad;
  for (Tensor& p : method.parameters()) p.add_(at::randn_like(p) * 0.3);
  for (Tensor& center : method.buffers()) center.copy_(at::randn_like(center));
  data::ViewBatch views = batch(1);
  views.masks_BN = at::rand({6, kPatches}) < 0.4;
  views.masks_BN[4].fill_(false);

  const auto& v = views.views_BCHW;
  nn::VitPass masked;
  masked.masks_BN = {views.masks_BN};
  const TensorMap before = snapshot(method);
  const Logits teacher = logits_of(method, "teacher.", at::cat({v[0], v[1]})), student = logits_of(method, "student.", at::cat({v[0], v[1]}), masked);
  const Tensor student_cls = at::cat({student.cls, logits_of(method, "student.", at::cat({v[2], v[3]})).cls});
  const Tensor cls_targets = plain::softmax_targets(teacher.cls, before.at("center"), 0.3);
  const Tensor patch_targets = plain::softmax_targets(teacher.patches, before.at("patch_center"), 0.5);
  const double cls = 0.7 * plain::dino_loss(student_cls, cls_targets, 4, 2, 0.5).item<double>();
  const double patch = 1.3 * by_crops(student.patches, patch_targets, views.masks_BN, 0.5);

  const train::Loss loss = method.forward(views, at_step(2));
  EXPECT_NEAR(part_of(loss, "cls"), cls, 1e-10);
  EXPECT_NEAR(part_of(loss, "patch"), patch, 5e-7);  // the weights of patches are float32
  EXPECT_NEAR(loss.total.item<double>(), cls + patch, 5e-7);
  method.after_update(at_step(2));
  const TensorMap after = snapshot(method);
  EXPECT_TRUE(after.at("center").allclose(0.8 * before.at("center") + 0.2 * teacher.cls.mean(0), 1e-10, 1e-12));
  EXPECT_TRUE(after.at("patch_center").allclose(0.6 * before.at("patch_center") + 0.4 * teacher.patches.flatten(0, 1).mean(0), 1e-10, 1e-12));
}

TEST(Ibot, TeacherEqualsTheClosedFormAverage) {
  auto method = make();
  optim::AdamW adamw({}, method->param_groups());
  adamw.add_averages(method->averages());
  for (const int64_t k : {0, 7}) {
    const TensorMap before = snapshot(*method);
    step(*method, adamw, k, batch(static_cast<uint64_t>(k)));
    const TensorMap after = snapshot(*method);
    const double m = plain::momentum(0.996, k, 10);
    for (const std::string name : {"backbone.blocks.1.attn.proj.weight", "head.mlp.0.weight"}) {
      const Tensor expected = before.at("teacher." + name) * m + after.at("student." + name) * (1 - m);
      EXPECT_TRUE(after.at("teacher." + name).allclose(expected, 1e-12, 1e-14)) << name << " at " << k;
    }
  }
}

TEST(Ibot, ResumesBitForBit) {
  expect_resumes_bit_for_bit([] { return make(0.5); }, 2, 2);
}

/// Masks belong to tiles: no division of the batch changes them, nor the centres and gradients.
TEST(Ibot, TwoRanksEqualOneProcessWithTheConcatenatedBatch) {
  const data::ViewBatch views = batch(5, 4);
  auto whole = make();
  whole->forward(views, at_step(1)).total.backward();
  whole->after_update(at_step(1));
  std::vector<TensorMap> grads(2), states(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    auto method = make(0, comm);
    method->forward(part(views, 2 * comm->rank(), 2), at_step(1)).total.backward();
    method->after_update(at_step(1));
    grads[static_cast<size_t>(comm->rank())] = gradients(*method), states[static_cast<size_t>(comm->rank())] = snapshot(*method);
  });
  for (const auto& [name, grad] : gradients(*whole)) EXPECT_TRUE(((grads[0].at(name) + grads[1].at(name)) / 2).allclose(grad, 1e-6, 1e-9)) << name;
  for (const auto& [name, t] : snapshot(*whole)) EXPECT_TRUE(states[1].at(name).allclose(t, 1e-10, 1e-12)) << name;
  EXPECT_GT(snapshot(*whole).at("patch_center").abs().max().item<double>(), 0);
}

TEST(Ibot, RefusesBatchesThatDoNotFit) {
  auto method = make();
  data::ViewBatch one = batch(1), masked = batch(1);
  one.views_BCHW.resize(1);
  EXPECT_THROW(method->forward(one, at_step(0)), Error);
  masked.masks_BN = at::zeros({5, kPatches}, at::kBool);
  EXPECT_THROW(method->forward(masked, at_step(0)), Error);
}

}  // namespace
}  // namespace eosin::ssl
