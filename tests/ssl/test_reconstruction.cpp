#include "ssl/reconstruction.h"

#include "core/base/error.h"
#include "ssl/dinov2.h"
#include "ssl/mae_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/tiny_run.h"

#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using namespace tiny;

Dinov2Config config() {
  Dinov2Config c;
  c.n_prototypes = 17, c.hidden_dim = 13, c.bottleneck_dim = 7;
  c.student_temp = 0.5;
  c.reconstruction.weight = 0.7, c.reconstruction.fourier_weight = 0.05, c.reconstruction.mask_ratio = 0.6;
  c.reconstruction.decoder_dim = 8, c.reconstruction.decoder_depth = 1, c.reconstruction.decoder_num_heads = 2;
  return c;
}

std::unique_ptr<Dinov2> make(const Dinov2Config& c = config(), double drop_path = 0) {
  auto method = std::make_unique<Dinov2>(c, encoder(drop_path), 11, make_single_comm());
  method->to(at::kDouble);
  return method;
}

TEST(ResizePatches, KeepsWhatHasNoDetail) {
  const Tensor patches = at::full({2, 3, 4 * 4 * 3}, 0.25, at::kDouble);
  EXPECT_TRUE(resize_patches(patches, 4, 4).is_same(patches));
  for (const int64_t to : {2, 7})
    EXPECT_TRUE(resize_patches(patches, 4, to).allclose(at::full({2, 3, to * to * 3}, 0.25, at::kDouble), 1e-12, 1e-12)) << to;
}

/// A picture of large patches is that of its small ones: resized patch by patch it is what the whole picture is when no patch sees another.
TEST(ResizePatches, WorksInsideEachPatch) {
  Tensor patches = at::zeros({1, 2, 4 * 4 * 3}, at::kDouble);
  patches[0][1].fill_(1);
  const Tensor out = resize_patches(patches, 4, 8);
  EXPECT_EQ(out[0][0].abs().max().item<double>(), 0);
  EXPECT_TRUE(out[0][1].allclose(at::ones({8 * 8 * 3}, at::kDouble), 1e-12, 1e-12));
}

TEST(Reconstruction, AddsItsPartsToDinov2) {
  const train::Loss loss = make()->forward(batch(1), at_step(0));
  double sum = 0;
  for (const auto& [name, value] : loss.parts) sum += value.item<double>();
  EXPECT_NEAR(sum, loss.total.item<double>(), 1e-10);
  EXPECT_GT(part_of(loss, "mae"), 0);
  EXPECT_GT(part_of(loss, "fourier"), 0);
  Dinov2Config without = config();
  without.reconstruction.weight = 0;
  for (const auto& [name, t] : snapshot(*make(without))) EXPECT_FALSE(name.starts_with("reconstruction.")) << name;
}

TEST(Reconstruction, GradientsReachBackboneAndDecoder) {
  Dinov2Config c = config();
  c.koleo_weight = 0;
  auto method = make(c);
  {
    const at::NoGradGuard no_grad;  // initial heads are so near zero that differences of any size are rough
    for (Tensor& p : method->parameters()) p.add_(at::randn_like(p) * 0.3);
  }
  const data::ViewBatch views = batch(2, 2, 2, 1);
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (const auto& item : method->named_parameters())
    if ((item.key().starts_with("reconstruction.") || item.key().starts_with("student.backbone.blocks.0.mlp")) && item.value().requires_grad())
      leaves.emplace_back(item.key(), item.value());
  expect_gradients([&] { return method->forward(views, at_step(0)).total; }, leaves, 2, 1e-5);
}

TEST(Reconstruction, ItsDecoderIsTrainedAsOneGroup) {
  auto method = make();
  int64_t trained = 0;
  for (const auto& group : method->param_groups())
    if (group.clip_group == "reconstruction") trained += static_cast<int64_t>(group.params.size());
  EXPECT_GT(trained, 10);
  const TensorMap before = snapshot(*method);
  optim::AdamW adamw({}, method->param_groups());
  step(*method, adamw, 0, batch(1));
  EXPECT_FALSE(snapshot(*method).at("reconstruction.decoder.pred.weight").equal(before.at("reconstruction.decoder.pred.weight")));
  EXPECT_TRUE(snapshot(*method).at("reconstruction.decoder.pos_embed").equal(before.at("reconstruction.decoder.pos_embed")));
}

TEST(Reconstruction, ResumesBitForBit) {
  Dinov2Config c = config();
  c.patch_sizes = {5};
  expect_resumes_bit_for_bit([&] { return make(c, 0.5); }, 2, 2);
}

/// Crops of 30 and 20 px divide into patches of 5 and of 10: every step draws one for all, by seed and step alone.
TEST(PatchSizes, AreDrawnByTheStep) {
  Dinov2Config c = config();
  c.patch_sizes = {5, 10};
  c.mask_ratio = {0.3, 0.6};
  nn::EncoderSpec spec = encoder();
  spec.vit().img_size = {30, 30};
  Dinov2 method(c, spec, 11, make_single_comm()), again(c, spec, 11, make_single_comm());
  data::ViewBatch views;
  for (const int64_t side : {30, 30, 20}) views.views_BCHW.push_back(at::randn({3, 3, side, side}));
  views.ids.resize(3);
  int64_t drawn[2] = {0, 0};
  for (int64_t k = 0; k < 6; ++k) {
    const int64_t patch = method.patch_size(at_step(k));
    EXPECT_EQ(patch, again.patch_size(at_step(k)));
    ++drawn[patch == 10];
    const train::Loss loss = method.forward(views, at_step(k));
    loss.total.backward();
    EXPECT_TRUE(loss.total.isfinite().item<bool>()) << k;
    views.first_position += 3;
    EXPECT_EQ(patch, method.patch_size(at_step(k)));
    EXPECT_EQ(method.schedule_values(at_step(k)).back().second, static_cast<double>(patch));
  }
  EXPECT_GT(drawn[0], 0);
  EXPECT_GT(drawn[1], 0);
  EXPECT_GT(method.named_parameters()["student.backbone.patch_embed.proj.weight"].grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace eosin::ssl
