#include "ssl/continued_run.h"

#include "core/base/error.h"
#include "core/tensor/checkpoint.h"
#include "ssl/dinov2.h"
#include "tests/message_of.h"
#include "tests/ssl/tiny_run.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using namespace tiny;
using testing::HasSubstr;

Dinov2Config config() {
  Dinov2Config c;
  c.n_prototypes = 17, c.hidden_dim = 13, c.bottleneck_dim = 7;
  c.centering = "centering";
  return c;
}

std::unique_ptr<Dinov2> make(const Dinov2Config& c = config(), int64_t side = kGlobalPx, uint64_t seed = 11) {
  nn::EncoderSpec spec = encoder();
  spec.vit().img_size = {side, side};
  return std::make_unique<Dinov2>(c, spec, seed, make_single_comm());
}

class ContinuedRun : public testing::Test {
 protected:
  void SetUp() override {
    auto method = make();
    optim::AdamW adamw({}, method->param_groups());
    data::ViewBatch views = batch(1);
    for (Tensor& v : views.views_BCHW) v = v.to(at::kFloat);
    step(*method, adamw, 0, views);
    before_ = snapshot(*method);
    State task, whole;
    task.add("objective", {before_, method->state().values});
    whole.add("task", task);
    save_checkpoint(run_ / "checkpoints", 1, whole);
  }
  std::string message(const Dinov2Config& c, ErrorKind kind) {
    return message_of([&] { continue_run(*make(c, kGlobalPx, 12), run_ / ""); }, kind);
  }
  TemporaryFolder run_;
  TensorMap before_;
};

TEST_F(ContinuedRun, TakesEveryNetwork) {
  auto method = make(config(), kGlobalPx, 12);
  continue_run(*method, run_ / "");
  const TensorMap now = snapshot(*method);
  ASSERT_EQ(now.size(), before_.size());
  for (const auto& [name, t] : before_) EXPECT_TRUE(now.at(name).equal(t)) << name;
  EXPECT_FALSE(now.at("student.backbone.norm.weight").equal(now.at("teacher.backbone.norm.weight")));  // the teacher stays its own
}

TEST_F(ContinuedRun, ResamplesPositionsToAnotherSize) {
  auto method = make(config(), 2 * kGlobalPx, 12);
  continue_run(*method, run_ / "");
  const TensorMap now = snapshot(*method);
  for (const std::string network : {"student", "teacher"}) {
    const std::string name = network + ".backbone.pos_embed";
    EXPECT_EQ(now.at(name).sizes(), (std::vector<int64_t>{1, 1 + 36, 12}));
    EXPECT_TRUE(now.at(name).equal(nn::resample_pos_embed(before_.at(name), {3, 3}, {6, 6}, 1, {}))) << name;
  }
  EXPECT_TRUE(now.at("teacher.dino_head.last_layer.weight_v").equal(before_.at("teacher.dino_head.last_layer.weight_v")));
}

TEST_F(ContinuedRun, AGramTeacherMayBeNew) {
  Dinov2Config c = config();
  c.gram_weight = 1;
  auto method = make(c, kGlobalPx, 12);
  continue_run(*method, run_ / "");
  const std::string name = "backbone.blocks.0.mlp.fc1.weight";
  EXPECT_TRUE(snapshot(*method).at("student." + name).equal(before_.at("student." + name)));
}

TEST_F(ContinuedRun, RefusesWhatDoesNotFit) {
  Dinov2Config wide = config(), apart = config();
  wide.n_prototypes = 19;
  EXPECT_THAT(message(wide, ErrorKind::Shape), testing::AllOf(HasSubstr("17"), HasSubstr("19")));
  apart.separate_heads = true;
  EXPECT_THAT(message(apart, ErrorKind::Data), HasSubstr("ibot_head"));
  const TemporaryFolder empty;
  EXPECT_THAT(message_of([&] { continue_run(*make(), empty / ""); }, ErrorKind::Config), HasSubstr("holds no checkpoints"));
}

}  // namespace
}  // namespace eosin::ssl
