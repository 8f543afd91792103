#include "apps/pretrain_config.h"

#include "apps/pretrain_plan.h"
#include "apps/wiring.h"
#include "core/base/error.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::apps {
namespace {

PretrainConfig read(std::vector<std::string> overrides) {
  config::Source source;
  source.override_with("data.store=somewhere");
  for (const auto& o : overrides) source.override_with(o);
  return read_pretrain_config(source);
}

TEST(PretrainConfig, CropSizesLeftOpenFollowTheModel) {
  EXPECT_EQ(read({}).views().global_size(), 224);
  EXPECT_EQ(read({}).views().local_size(), 96);
  const PretrainConfig small = read({"model.image_size_px=64"});
  EXPECT_EQ(small.views().global_size(), 64);
  EXPECT_EQ(small.views().local_size(), 32);
  EXPECT_EQ(read({"model.patch_size=14"}).views().local_size(), 98);
  EXPECT_EQ(read({"model.image_size_px=96", "data.crops.local_size_px=48"}).views().local_size(), 48);
}

TEST(PretrainPlan, CountsTheEncodersOperations) {
  // DINOv2's crops, 2 x 224 + 8 x 96: 1.52 TFLOP an image for ViT-L/16, 0.11 for S/16, teacher included.
  EXPECT_NEAR(*encoder_flops(read({"model.name=vit_large"}), true), 1.52e12, 0.01e12);
  EXPECT_NEAR(*encoder_flops(read({"model.name=vit_small"}), true), 0.11e12, 0.005e12);
  const double with = *encoder_flops(read({}), true), without = *encoder_flops(read({}), false);
  const double globals = *encoder_flops(read({"data.crops.n_local=0"}), false);
  EXPECT_NEAR(with - without, globals / 3, 1);
}

struct Mistake {
  std::vector<std::string> overrides;
  std::string message;
};

TEST(PretrainConfig, MistakesAreNamedBeforeAnyDataIsOpened) {
  const Mistake mistakes[] = {
      {{"model.image_size_px=100"}, "nearest: 96 or 112"},
      {{"data.crops.local_size_px=50"}, "nearest crop sizes: 48 or 64"},
      {{"train.batch_size=30", "train.accumulate=4"}, "28 or 32"},
      {{"train.steps=10", "schedule.warmup_steps=11"}, "warm-up takes 11 steps and the run has 10"},
      {{"train.steps=10", "train.samples=20"}, "steps and samples are both given"},
      {{"train.steps=10", "train.freeze_last_layer_steps=11"}, "longer than the run of 10 steps"},
      {{"optim.learning_rate=1"}, "optim.learning_rate"},
      {{"data.augment=device"}, "data.augment"},
      {{"data.augment=gpu", "run.device=cpu"}, "gpu needs a CUDA device, but run.device is cpu"},
      {{"data.augment=gpu", "data.crops.name=rudolfv"}, "data.crops.macenko_p"},
      {{"data.augment=gpu", "data.crops.randstainna_p=0.5"}, "data.crops.randstainna_p"},
      {{"data.augment=gpu", "data.crops.arithmetic=exact"}, "data.crops.arithmetic"},
      {{"eval.best=knn_accuracy"}, "nothing is measured: eval.every is 0"},
      {{"eval.best=knn_acuracy", "eval.every=5"}, "did you mean 'knn_accuracy'?"},
      {{"eval.best=linear_accuracy", "eval.every=5", "eval.linear=false"}, "'linear_accuracy' is not measured"},
      {{"eval.best=knn_accuracy", "eval.every=5", "eval.store=[/a/crc,/b/lung]"}, "crc/knn_accuracy"},
      {{"watch.alarms=[rankme 5]"}, "'rankme 5' cannot be read"},
      {{"watch.alarms=['rankme < 5: stop']"}, "unknown action 'stop' (need one of: warn, halve_lr, rollback, abort)"},
      {{"train.on_nan=ignore"}, "train.on_nan"},
      {{"data.store="}, "no tile store is given"},
      {{"data.store=[]"}, "no tile store is given"},
      {{"data.slides=a.svs"}, "from a store or from slides, not from both"},
      {{"data.store=[]", "data.slides=a.svs", "eval.every=5"}, "need a tile store to measure on"},
      {{"method.name=mae"}, "mae needs views of the model's image size 224 alone"},
      {{"method.name=mae", "data.crops.name=mae", "model.image_size_px=32", "method.mask_ratio=0.9"}, "need at most 0.750"},
      {{"method.name=dinov2", "train.batch_size=4", "train.accumulate=4"}, "a micro-step of 1 samples is too small for koleo (need at least 2)"},
      {{"method.name=dinov2", "method.ibot_n_prototypes=64"}, "patches share the class tokens' head"},
      {{"method.name=dinov2", "model.token_merge.method=tome", "model.token_merge.r=2", "model.drop_path_rate=0"},
       "dinov2 works on each patch token"},
      {{"method.name=dinov2", "method.patch_sizes=[8,64]"}, "a crop of 224 px is not a multiple of 64; nearest: 192 or 256"},
      {{"method.name=dino", "data.crops.undistorted_size_px=448"}, "dino does not look at undistorted views"},
      {{"data.crops.global=[0.9,1.1]"}, "a crop of 1.1 tiles does not lie in one"},
      {{"method.teacher_temp=0"}, "method.teacher_temp"},
      {{"method.name=msn", "data.crops.name=msn", "method.patch_drop=1"}, "method.patch_drop"},
      {{"method.name=msn", "data.crops.name=msn", "model.rope.enabled=true"}, "method.patch_drop: an encoder that sees a choice of the patches"},
      {{"method.name=mae", "data.crops.name=mae", "model.rope.enabled=true"}, "method.name: an encoder that sees a choice of the patches"},
      {{"model.init_heads=true"}, "there is no run to take heads from"},
      {{"method.name=dinov2", "method.mask_ratio=[0.1,1]"}, "method.mask_ratio"},
      {{"method.name=ibot", "train.steps=10", "method.warmup_teacher_temp_steps=11"}, "11 is longer than the run of 10 steps"},
      {{"data.order=shuffled"}, "unknown name"},
      {{"method=classify"}, "classify learns from labels; name the column that holds them, as data.labels.column=class"},
      {{"data.labels.column=class"}, "dino learns without labels; leave data.labels out"},
      {{"method=classify", "data.labels.split=train"}, "a split is chosen but no classes are"},
      {{"method=distill", "method.teachers=[t]", "method.cached_features=[f]", "method.patch_weights=[0]"},
       "views differ from them by global, ratio, n_local"},
      {{"data.order=block", "data.order.by=slide"}, "'by' is a key of order 'quota', not 'block'"},
      {{"data.order=schedule"}, "need the list of tiles"},
  };
  for (const auto& mistake : mistakes) {
    try {
      read(mistake.overrides);
      ADD_FAILURE() << mistake.message;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Config);
      EXPECT_THAT(e.what(), testing::HasSubstr(mistake.message));
    }
  }
}

TEST(PretrainConfig, ViewsAreRenderedWhereTheConfigSays) {
  const LaunchEnv env;
  for (const char* augment : {"data.augment=cpu", "data.augment=auto"})
    EXPECT_EQ(choose_view_form(read({augment}), env, c10::kCPU), data::ViewForm::kFloat) << augment;
  EXPECT_THAT(message_of([&] { choose_view_form(read({"data.augment=gpu"}), env, c10::kCPU); }, ErrorKind::Config),
              testing::HasSubstr("[data.augment] gpu needs a CUDA device (the run is on cpu"));

  const c10::Device gpu(c10::kCUDA, 0);
  EXPECT_EQ(choose_view_form(read({}), env, gpu), data::ViewForm::kBfloat16);
  EXPECT_EQ(choose_view_form(read({"data.augment=gpu", "run.threads=64"}), env, gpu), data::ViewForm::kDrawn);
  EXPECT_EQ(choose_view_form(read({"data.augment=auto", "run.threads=5"}), env, gpu), data::ViewForm::kDrawn);
  EXPECT_EQ(choose_view_form(read({"data.augment=auto", "run.threads=6"}), env, gpu), data::ViewForm::kBfloat16);
  EXPECT_EQ(choose_view_form(read({"data.augment=auto", "run.threads=5", "data.crops.name=rudolfv"}), env, gpu), data::ViewForm::kBfloat16);
}

TEST(PretrainConfig, WeightDecayAndLearningRateHaveTheirCourse) {
  const PretrainConfig config = read({"train.steps=20", "optim.lr=0.5", "optim.weight_decay_end=0.4", "schedule.final=0.1"});
  EXPECT_DOUBLE_EQ(config.lr_schedule()(0), 0.0);
  EXPECT_DOUBLE_EQ(config.lr_schedule()(1), 0.5);
  EXPECT_DOUBLE_EQ(config.lr_schedule()(20), 0.1);
  EXPECT_DOUBLE_EQ(config.weight_decay_schedule()(0), 0.04);
  EXPECT_DOUBLE_EQ(config.weight_decay_schedule()(20), 0.4);
}

}  // namespace
}  // namespace eosin::apps
