// Methods with backbones other than a transformer: batch norms agree over ranks, teachers keep running averages of their own, restarts change
// nothing.
#include "core/nn/backbones.h"
#include "core/nn/encoder.h"
#include "ssl/barlow_twins.h"
#include "ssl/byol.h"
#include "ssl/dino.h"
#include "ssl/distill.h"
#include "ssl/methods.h"
#include "ssl/moco_v3.h"
#include "ssl/simclr.h"
#include "ssl/vicreg.h"
#include "tests/collected_problems.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/ssl/plain_losses.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

nn::EncoderSpec residual() {
  nn::EncoderSpec spec;
  nn::ResNetConfig model;
  model.img_size = {15, 15}, model.block = "basic", model.depths = {1, 1, 1, 1}, model.width = 2;
  spec.model = model;
  return spec;
}

nn::EncoderSpec windowed(double drop_path) {
  nn::EncoderSpec spec;
  nn::SwinConfig model;
  model.img_size = {16, 16}, model.embed_dim = 8, model.depths = {1, 1, 1, 1}, model.num_heads = {1, 2, 1, 2}, model.window = 2;
  model.stem = "conv", model.drop_path_rate = drop_path;
  spec.model = model;
  return spec;
}

template <class Method, class Config>
MakeMethod with_resnet(const Config& config) {
  return [config](const std::shared_ptr<Comm>& comm, double) {
    auto method = std::make_unique<Method>(config, residual(), 11, comm);
    method->to(at::kDouble);
    method->train();
    return method;
  };
}

template <class Config>
Config narrow() {
  Config c;
  c.hidden_dim = 7, c.out_dim = 5;
  return c;
}

DinoConfig dino() {
  DinoConfig c;
  c.n_prototypes = 13, c.hidden_dim = 9, c.bottleneck_dim = 5;
  return c;
}

std::map<std::string, MakeMethod> methods_with_resnet() {
  return {{"dino", with_resnet<Dino>(dino())},
          {"simclr", with_resnet<Simclr>(narrow<SimclrConfig>())},
          {"byol", with_resnet<Byol>(narrow<ByolConfig>())},
          {"moco_v3", with_resnet<MocoV3>(narrow<MocoV3Config>())},
          {"barlow_twins", with_resnet<BarlowTwins>(narrow<BarlowTwinsConfig>())},
          {"vicreg", with_resnet<Vicreg>(narrow<VicregConfig>())}};
}

TEST(ResNetIn, EveryMethodIsTheSameOnTwoRanks) {
  for (const auto& [name, make] : methods_with_resnet()) {
    SCOPED_TRACE(name);
    expect_two_ranks_equal_one(make, view_batch(1, 6));
  }
}

TEST(ResNetIn, EveryMethodResumesBitForBit) {
  for (const auto& [name, make] : methods_with_resnet()) {
    SCOPED_TRACE(name);
    expect_resume_bit_for_bit(make, name == "dino" ? 2 : 0);
  }
}

TEST(ResNetIn, ATeacherFollowsParametersAndAveragesItsOwnStatistics) {
  for (const auto& [name, momentum] : std::map<std::string, double>{{"dino", 0.996}, {"byol", 0.996}, {"moco_v3", 0.99}}) {
    SCOPED_TRACE(name);
    const MakeMethod make = methods_with_resnet().at(name);
    expect_teacher_follows(make, momentum, plain::momentum(momentum, 7, 10));
    const auto method = make(make_single_comm(), 0);
    optim::AdamW adamw({}, method->param_groups());
    for (int64_t k = 0; k < 2; ++k) step(*method, adamw, view_batch(static_cast<uint64_t>(k) + 1, 4, name == "dino" ? 2 : 0), k);
    const TensorMap state = snapshot(*method);
    const std::string mean = ".backbone.layer2.0.bn1.running_mean", count = ".backbone.bn1.num_batches_tracked";
    EXPECT_GT(state.at("teacher" + mean).abs().max().item<double>(), 1e-4);
    EXPECT_FALSE(state.at("teacher" + mean).allclose(state.at("student" + mean)));
    EXPECT_EQ(state.at("teacher" + count).item<int64_t>(), 2);
    EXPECT_EQ(state.at("student" + count).item<int64_t>(), name == "dino" ? 4 : 2);
  }
}

TEST(ResNetIn, ItsBatchNormsAreNamedForTheLog) {
  for (const auto& [name, make] : methods_with_resnet())
    EXPECT_THAT(make(make_single_comm(), 0)->batch_losses(), testing::Contains("batch norm")) << name;
  EXPECT_TRUE(Dino(dino(), small_encoder(), 3, make_single_comm()).batch_losses().empty());
}

TEST(ResNetIn, ACopyTakesRunningAveragesToo) {
  Dino method(dino(), residual(), 3, make_single_comm());
  {
    const at::NoGradGuard no_grad;
    for (const auto& item : method.student_backbone().named_buffers()) item.value().fill_(3);
  }
  method.copy_student_to_teacher();
  for (const auto& item : method.teacher_backbone().named_buffers()) EXPECT_TRUE(item.value().eq(3).all().item<bool>()) << item.key();
}

TEST(SwinIn, SimclrIsTheSameOnTwoRanksAndResumes) {
  const MakeMethod make = [](const std::shared_ptr<Comm>& comm, double drop_path) {
    auto method = std::make_unique<Simclr>(narrow<SimclrConfig>(), windowed(drop_path), 11, comm);
    method->to(at::kDouble);
    method->train();
    return method;
  };
  data::ViewBatch batch = view_batch(1, 6);
  for (Tensor& view : batch.views_BCHW) view = at::constant_pad_nd(view, {0, 1, 0, 1});
  expect_two_ranks_equal_one(make, batch);
}

TEST(ResNetIn, DistillationTeachesAndLearns) {
  const TemporaryFolder folder;
  const auto teacher = nn::make_backbone(residual().model);
  teacher->init_weights(5);
  nn::write_encoder(folder / "teacher", residual(), nn::named_weights(*teacher), "eosin");
  DistillConfig config;
  config.teachers = {folder / "teacher"}, config.bottleneck_dim = 6;
  const MakeMethod make = with_resnet<Distill>(config);
  expect_two_ranks_equal_one(make, view_batch(1, 6));
  expect_resume_bit_for_bit(make);
  const auto method = make(make_single_comm(), 0);
  gradients(*method, view_batch(1, 6));
  for (const auto& item : method->named_buffers())
    if (item.key().starts_with("teachers."))
      EXPECT_EQ(item.value().ne(item.key().ends_with("running_var") ? 1 : 0).sum().item<int64_t>(), 0) << item.key();
}

TEST(ResNetIn, LayerDecayCountsItsBlocks) {
  DinoConfig config = dino();
  config.layer_decay = 0.5;
  Dino method(config, residual(), 3, make_single_comm());
  std::map<std::string, double> scale;
  for (const auto& group : method.param_groups())
    for (const std::string& name : group.names) scale[name] = group.lr_scale;
  EXPECT_DOUBLE_EQ(scale.at("student.backbone.conv1.weight"), 1.0 / 32);
  EXPECT_DOUBLE_EQ(scale.at("student.backbone.layer1.0.conv1.weight"), 1.0 / 16);
  EXPECT_DOUBLE_EQ(scale.at("student.backbone.layer4.0.downsample.0.weight"), 0.5);
}

TEST(ResNetIn, MethodsOnTokensRefuseIt) {
  RunShape run;
  run.family = "resnet", run.patch_size = 1, run.crop_sizes = {224, 224}, run.steps = 10;
  for (const char* name : {"ibot", "dinov2", "gpfm", "mae", "msn"}) {
    Collected found;
    check_run(config::Choice(method_table(), name), run, found);
    EXPECT_THAT(found.all, HasSubstr(std::string("model.name: ") + name + " needs a vision transformer (got a resnet)"));
  }
  run.family = "convnext", run.least_size = 32, run.crop_sizes = {224, 224, 28};
  Collected found;
  check_run(config::Choice(method_table(), "dino"), run, found);
  EXPECT_THAT(found.all, HasSubstr("a crop of 28 px is too small for a convnext (need at least 32)"));
}

}  // namespace
}  // namespace eosin::ssl
