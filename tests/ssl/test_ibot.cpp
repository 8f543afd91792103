#include "core/base/error.h"
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

TEST(Ibot, PartsAddUpToTheTotal) {
  const train::Loss loss = make()->forward(batch(1), at_step(0));
  EXPECT_NEAR(part_of(loss, "cls") + part_of(loss, "patch"), loss.total.item<double>(), 1e-12);
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
