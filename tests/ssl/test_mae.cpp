#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/fourier_loss.h"
#include "ssl/mae.h"
#include "ssl/mae_loss.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/gradcheck.h"
#include "tests/ssl/tiny_run.h"

#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using namespace tiny;
using testing::HasSubstr;

MaeConfig config() {
  MaeConfig c;
  c.mask_ratio = 0.6;
  c.decoder_dim = 8;
  c.decoder_depth = 1;
  c.decoder_num_heads = 2;
  return c;
}

std::unique_ptr<Mae> make(const MaeConfig& c = config(), double drop_path = 0) {
  auto method = std::make_unique<Mae>(c, encoder(drop_path), 11);
  method->to(at::kDouble);
  return method;
}

TEST(Patchify, IsRowColumnChannelAndUndone) {
  const Tensor image = at::arange(2 * 3 * 4 * 6, at::kDouble).view({2, 3, 4, 6});
  const Tensor patches = patchify(image, 2);
  EXPECT_EQ(patches.sizes(), (std::vector<int64_t>{2, 6, 12}));
  EXPECT_EQ(patches[1][4][7].item<double>(), (image[1][1][3][2].item<double>()));  // patch (1, 1): element 7 is row 1, column 0, channel 1
  EXPECT_TRUE(unpatchify(patches, 2, 2, 3).equal(image));
  EXPECT_THROW(patchify(image, 4), Error);
}

TEST(VisiblePatches, TheSmallestNoiseStays) {
  const Tensor noise = at::tensor({0.5, 0.1, 0.9, 0.2}, at::kDouble).view({1, 4});
  const VisiblePatches chosen = choose_visible(noise, 0.5);
  EXPECT_TRUE(chosen.visible_BK.equal(at::tensor({1, 3}, at::kLong).view({1, 2})));
  EXPECT_TRUE(chosen.mask_BN.equal(at::tensor({1.0f, 0.0f, 1.0f, 0.0f}).view({1, 4})));
  EXPECT_TRUE(chosen.restore_BN.equal(at::tensor({2, 0, 3, 1}, at::kLong).view({1, 4})));
  EXPECT_EQ(visible_count(196, 0.75), 49);
  EXPECT_EQ(visible_count(196, 0.9), 19);
  EXPECT_THROW(choose_visible(noise, 0.8), Error);
}

TEST(MaeLoss, CountsRemovedPatchesAlone) {
  const Tensor patches = at::randn({2, 3, 12}, at::kDouble), mask = at::tensor({1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 1.0f}).view({2, 3});
  Tensor pred = patches.clone();
  pred[0][1] += 100;
  EXPECT_EQ(mae_loss(pred, patches, mask, false).item<double>(), 0);
  pred[1][2] += 3;
  EXPECT_NEAR(mae_loss(pred, patches, mask, false).item<double>(), 3, 1e-12);
  const Tensor normalised = (patches - patches.mean(-1, true)) / (patches.var(-1, true, true) + 1e-6).sqrt();
  EXPECT_NEAR(mae_loss(normalised, patches, mask, true).item<double>(), 0, 1e-20);
  EXPECT_THROW(mae_loss(pred, patches, mask.narrow(1, 0, 2), true), Error);
}

TEST(FourierLoss, GradientsAndBlindnessToShifts) {
  const Tensor target = at::randn({2, 3, 6, 4}, at::kDouble);
  EXPECT_NEAR(fourier_loss(target.roll({1, 2}, {2, 3}), target).item<double>(), 0, 1e-12);
  const Tensor pred = at::randn({2, 3, 6, 4}, at::kDouble).requires_grad_();
  for (const char* norm : {"l1", "l2"}) expect_gradients([&] { return fourier_loss(pred, target, norm); }, {{"pred", pred}}, 24, 1e-5);
  EXPECT_THROW(fourier_loss(pred, target.narrow(0, 0, 1)), Error);
}

TEST(Mae, IsTheErrorOfTheRemovedPatchesAndOfAmplitudes) {
  for (const std::string norm : {"l1", "l2"}) {
    MaeConfig c = config();
    c.norm_pix = false, c.fourier_weight = 0.05, c.fourier_norm = norm;
    auto method = make(c);
    MaeNet net(encoder().vit(), MaeDecoderShape{12, 8, 1, 2, 32, 5, 3, {3, 3}});
    net->to(at::kDouble);
    TensorMap weights;
    for (const auto& [name, t] : snapshot(*method)) weights.emplace(name.substr(std::string("student.").size()), t);
    nn::load_weights(*net, weights);

    const data::ViewBatch views = batch(1, 2, 1, 0);
    const Tensor& images = views.views_BCHW[0];
    const VisiblePatches chosen = choose_visible(patch_noise(views, 1, kPatches, /*seed=*/11), 0.6);
    const Tensor pred = net->decode(net->encode(images, chosen.visible_BK), chosen.restore_BN), patches = patchify(images, 5);
    const Tensor rebuilt = unpatchify(at::where(chosen.mask_BN.unsqueeze(-1) > 0, pred, patches), 5, 3, 3);
    const Tensor apart = at::fft_fft2(rebuilt).abs() - at::fft_fft2(images).abs();
    const double mae = (((pred - patches).square().mean(-1) * chosen.mask_BN).sum() / chosen.mask_BN.sum()).item<double>();
    const double fourier = 0.05 * (norm == "l1" ? apart.abs() : apart.square()).mean().item<double>();

    const train::Loss loss = method->forward(views, at_step(0));
    EXPECT_NEAR(part_of(loss, "mae"), mae, 1e-10) << norm;
    EXPECT_NEAR(part_of(loss, "fourier"), fourier, 1e-10 * (1 + fourier)) << norm;
  }
}

TEST(Mae, TheSeedDecidesTheWeights) {
  Mae again(config(), encoder(), 11), other(config(), encoder(), 12);
  again.to(at::kDouble), other.to(at::kDouble);
  const TensorMap first = snapshot(*make()), same = snapshot(again), apart = snapshot(other);
  for (const char* name : {"student.backbone.blocks.0.attn.qkv.weight", "student.decoder.embed.weight", "student.decoder.mask_token"}) {
    EXPECT_TRUE(first.at(name).equal(same.at(name))) << name;
    EXPECT_FALSE(first.at(name).equal(apart.at(name))) << name;
  }
}

TEST(Mae, GradientsOfTheWholeObjective) {
  MaeConfig c = config();
  c.fourier_weight = 0.05;
  auto method = make(c);
  const data::ViewBatch views = batch(2, 2, 1, 0);
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (const auto& item : method->named_parameters())
    if (item.key().find("qkv.bias") == std::string::npos && item.value().requires_grad()) leaves.emplace_back(item.key(), item.value());
  expect_gradients([&] { return method->forward(views, at_step(0)).total; }, leaves, 2, 1e-5);
}

/// Uni4Eye's second branch: a decoder of its own, judged on the removed patches of the gradient map.
TEST(Mae, GradientBranchIsASecondDecoder) {
  MaeConfig c = config();
  c.gradient_weight = 0.5;
  auto method = make(c);
  const train::Loss loss = method->forward(batch(1, 2, 1, 0), at_step(0));
  EXPECT_NEAR(part_of(loss, "mae") + part_of(loss, "gradient"), loss.total.item<double>(), 1e-12);
  EXPECT_EQ(part_of(loss, "mae"), part_of(make()->forward(batch(1, 2, 1, 0), at_step(0)), "mae"));
  const TensorMap state = snapshot(*method);
  EXPECT_FALSE(state.at("student.gradient_decoder.embed.weight").equal(state.at("student.decoder.embed.weight")));
  EXPECT_EQ(snapshot(*make()).count("student.gradient_decoder.embed.weight"), 0u);

  std::vector<std::pair<std::string, Tensor>> leaves;
  for (const auto& item : method->named_parameters())
    if (item.key().find("gradient_decoder") != std::string::npos && item.value().requires_grad()) leaves.emplace_back(item.key(), item.value());
  const data::ViewBatch views = batch(2, 2, 1, 0);
  expect_gradients([&] { return method->forward(views, at_step(0)).total; }, leaves, 2, 1e-5);
  expect_resumes_bit_for_bit([&] { return make(c, 0.5); }, 1, 0);
}

TEST(Mae, TheEncoderSeesVisiblePatchesAlone) {
  MaeNet net(encoder().vit(), MaeDecoderShape{12, 8, 1, 2, 16, 5, 3, {3, 3}});
  net->init_weights(1);
  net->to(at::kDouble);
  const Tensor image = batch(1, 1, 1, 0).views_BCHW[0], visible = at::tensor({4, 0}, at::kLong).view({1, 2});
  Tensor other = image.clone();
  other.narrow(2, 10, 5).fill_(9);  // the last row of patches
  EXPECT_TRUE(net->encode(image, visible).equal(net->encode(other, visible)));
  other.narrow(2, 0, 5).fill_(9);
  EXPECT_FALSE(net->encode(image, visible).equal(net->encode(other, visible)));
}

TEST(Mae, PositionsAreFixedAndNamed) {
  auto method = make();
  const TensorMap before = snapshot(*method);
  optim::AdamW adamw({}, method->param_groups());
  step(*method, adamw, 0, batch(1, 3, 1, 0));
  const TensorMap after = snapshot(*method);
  for (const char* fixed : {"student.backbone.pos_embed", "student.decoder.pos_embed"}) {
    EXPECT_TRUE(after.at(fixed).equal(before.at(fixed))) << fixed;
    EXPECT_EQ(after.at(fixed)[0][0].abs().max().item<double>(), 0) << fixed;  // the class token's
  }
  for (const char* moved : {"student.backbone.cls_token", "student.decoder.mask_token", "student.decoder.pred.weight"})
    EXPECT_FALSE(after.at(moved).equal(before.at(moved))) << moved;
}

TEST(Mae, ResumesBitForBit) {
  expect_resumes_bit_for_bit([] { return make(config(), 0.5); }, 1, 0);
}

/// What is removed belongs to the tile: the mean over two halves is the whole.
TEST(Mae, HalvesGiveTheGradientsOfTheWhole) {
  const data::ViewBatch views = batch(3, 4, 2, 0);
  auto whole = make(), halves = make();
  whole->forward(views, at_step(0)).total.backward();
  for (const int64_t begin : {0, 2}) (halves->forward(part(views, begin, 2), at_step(0)).total / 2).backward();
  const TensorMap want = gradients(*whole), got = gradients(*halves);
  for (const auto& [name, grad] : want) EXPECT_TRUE(got.at(name).allclose(grad, 1e-9, 1e-12)) << name;
}

TEST(Mae, PartsAddUpAndFourierIsOptional) {
  MaeConfig c = config();
  EXPECT_EQ(make(c)->forward(batch(1, 2, 1, 0), at_step(0)).parts.size(), 1u);
  for (const bool norm_pix : {false, true}) {
    c.fourier_weight = 0.1, c.norm_pix = norm_pix;
    const train::Loss loss = make(c)->forward(batch(1, 2, 1, 0), at_step(0));
    EXPECT_NEAR(part_of(loss, "mae") + part_of(loss, "fourier"), loss.total.item<double>(), 1e-10);
    EXPECT_GT(part_of(loss, "fourier"), 0);
  }
}

TEST(Mae, BadStartsAreNamed) {
  EXPECT_THROW(make()->forward(batch(1, 2, 1, 1), at_step(0)), Error);
  MaeConfig c;
  c.decoder_dim = 100;
  Collected width;
  c.validate(width);
  EXPECT_THAT(width.all, HasSubstr("decoder_dim: 100 is not a multiple of 16 heads; nearest: 96 or 112"));

  config::Choice method(method_table(), "mae");
  auto& value = dynamic_cast<config::ConfigOf<MaeConfig>&>(method.config()).value;
  Collected ok, locals, none;
  check_run(method, {16, {96}, 10, 96, 1}, ok);
  EXPECT_EQ(ok.all, "");
  check_run(method, {16, {96, 96, 48}, 10, 96, 1}, locals);
  EXPECT_THAT(locals.all, HasSubstr("mae needs views of the model's image size 96 alone"));
  value.mask_ratio = 0.98;
  check_run(method, {16, {96}, 10, 96, 1}, none);
  EXPECT_THAT(none.all, HasSubstr("method.mask_ratio: 0.98 leaves none of 36 patches visible; need at most 0.972"));
  EXPECT_EQ(visible_count(36, 0.972), 1);
}

}  // namespace
}  // namespace eosin::ssl
