#include "ssl/illustrated.h"

#include "ssl/dinov2.h"
#include "ssl/ibot.h"
#include "ssl/mae.h"
#include "tests/ssl/tiny_run.h"

#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

TEST(Illustrated, HidesThePatchesOfTheMask) {
  const Tensor images = at::arange(1, 1 + 2 * 3 * 4 * 6, at::kFloat).view({2, 3, 4, 6});  // 2 x 3 patches of 2 px
  Tensor mask = at::zeros({2, 6}, at::kBool);
  mask[1][4] = true;
  const Tensor shown = hide_patches(images, mask, 2);
  EXPECT_TRUE(shown[0].equal(images[0]));
  Tensor expected = images.clone();
  expected[1].slice(1, 2, 4).slice(2, 2, 4).zero_();
  EXPECT_TRUE(shown.equal(expected));
}

/// The pictures of a method that has them; what it holds stays as it is.
template <class Method>
Illustration drawn(Method& method, const data::ViewBatch& batch) {
  method.to(at::kDouble);
  const TensorMap before = tiny::snapshot(method);
  const Illustration first = method.illustrate(batch), again = method.illustrate(batch);
  for (const auto& [name, t] : tiny::snapshot(method)) EXPECT_TRUE(t.equal(before.at(name))) << name;
  for (size_t k = 0; k < first.columns_BCHW.size(); ++k) EXPECT_TRUE(first.columns_BCHW[k].equal(again.columns_BCHW[k])) << k;
  return first;
}

TEST(Illustrated, MaeFillsInWhatItHid) {
  MaeConfig config;
  config.decoder_dim = 8, config.decoder_depth = 1, config.decoder_num_heads = 2;
  for (const bool norm_pix : {false, true}) {
    config.norm_pix = norm_pix;
    Mae mae(config, tiny::encoder(), 3);
    const data::ViewBatch batch = tiny::batch(1, 2, 1, 0);
    const Illustration sheet = drawn(mae, batch);
    ASSERT_EQ(sheet.columns_BCHW.size(), 3u);
    const Tensor &image = sheet.columns_BCHW[0], &visible = sheet.columns_BCHW[1], &rebuilt = sheet.columns_BCHW[2];
    EXPECT_TRUE(image.equal(batch.views_BCHW[0]));
    const Tensor hidden = visible == 0;
    EXPECT_EQ(hidden.sum().item<int64_t>(), 2 * 3 * 7 * 25);  // 7 of 9 patches
    EXPECT_TRUE(rebuilt.masked_select(hidden.logical_not()).equal(image.masked_select(hidden.logical_not())));
    EXPECT_FALSE(rebuilt.masked_select(hidden).equal(image.masked_select(hidden)));
    if (!norm_pix) continue;
    // Undone: a patch that is predicted as "no deviation" would be its true mean, so a weak prediction stays near it.
    EXPECT_LT((rebuilt - image).abs().mean().item<double>(), 2 * image.abs().mean().item<double>());
  }
}

TEST(Illustrated, MasksAreThoseOfTheStep) {
  data::ViewBatch batch = tiny::batch(1, 2);
  IbotConfig ibot_config;
  ibot_config.n_prototypes = 7, ibot_config.hidden_dim = 5, ibot_config.bottleneck_dim = 4, ibot_config.mask_probability = 1;
  Ibot ibot(ibot_config, tiny::encoder(), 3, make_single_comm());
  Dinov2Config dinov2_config;
  dinov2_config.n_prototypes = 7, dinov2_config.hidden_dim = 5, dinov2_config.bottleneck_dim = 4;
  Dinov2 dinov2(dinov2_config, tiny::encoder(), 3, make_single_comm());
  batch.masks_BN = at::zeros({4, tiny::kPatches}, at::kBool);
  batch.masks_BN[3][0] = true;  // of the second crop's second tile
  for (Illustrated* method : {static_cast<Illustrated*>(&ibot), static_cast<Illustrated*>(&dinov2)}) {
    const Illustration sheet = method->illustrate(batch);
    ASSERT_EQ(sheet.columns_BCHW.size(), 4u);
    EXPECT_TRUE(sheet.columns_BCHW[1].equal(batch.views_BCHW[0]));
    EXPECT_TRUE(sheet.columns_BCHW[3][0].equal(batch.views_BCHW[1][0]));
    EXPECT_EQ((sheet.columns_BCHW[3] == 0).sum().item<int64_t>(), 3 * 25);
  }
  drawn(ibot, tiny::batch(1, 2));
  drawn(dinov2, tiny::batch(1, 2));
}

}  // namespace
}  // namespace eosin::ssl
