#include "core/nn/weights.h"
#include "ssl/dinov2.h"
#include "ssl/frozen_dinov2.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/ssl/method_run.h"
#include "tests/ssl/plain_losses.h"
#include "tests/temporary_folder.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

Dinov2Config own() {
  Dinov2Config c;
  c.n_prototypes = 13, c.hidden_dim = 7, c.bottleneck_dim = 5;
  c.koleo_weight = 0, c.momentum = 0.9;
  return c;
}

/// A run whose encoder is wider, whose patches are larger, and whose heads are separate and of other widths.
class FrozenDinov2Test : public testing::Test {
 protected:
  void SetUp() override { write_teacher(3); }
  void write_teacher(uint64_t seed) {
    nn::EncoderSpec spec = small_encoder();
    spec.vit().img_size = {21, 21}, spec.vit().patch_size = 7, spec.vit().embed_dim = 20;
    Dinov2Config c = own();
    c.hidden_dim = 9, c.bottleneck_dim = 6;
    c.separate_heads = true, c.ibot_n_prototypes = 17, c.ibot_hidden_dim = 8, c.ibot_bottleneck_dim = 4;
    Dinov2 method(c, spec, seed, make_single_comm());
    std::filesystem::remove_all(folder / "run");
    write_run(folder / "run", method);
  }
  Dinov2Config config() const {
    Dinov2Config c = own();
    c.frozen_teacher = folder / "run", c.mask_probability = 0;
    c.separate_heads = true, c.ibot_n_prototypes = 17;
    return c;
  }
  TemporaryFolder folder;
};

TEST_F(FrozenDinov2Test, TwoRanksEqualOneAndResumeIsExact) {
  Dinov2Config centred = config();
  centred.centering = "centering";
  for (const Dinov2Config& c : {config(), centred}) {
    expect_two_ranks_equal_one(maker<Dinov2>(c), view_batch(1, 6, 1));
    expect_resume_bit_for_bit(maker<Dinov2>(c), 1);
  }
}

/// With centring around 0, the loss is the cross-entropy of the two networks' softmaxes on the same whole crops.
TEST_F(FrozenDinov2Test, TheTargetsAreTheFrozenHeadsChoices) {
  Dinov2Config c = config();
  c.centering = "centering", c.dino_weight = 0;
  Dinov2 method(c, small_encoder(), 11, make_single_comm());
  method.to(at::kDouble);
  const data::ViewBatch batch = view_batch(1, 4);
  FrozenDinov2 frozen = load_frozen_dinov2(c.frozen_teacher, c, small_encoder());
  frozen.net->to(at::kDouble);
  const Tensor global = at::cat(batch.views_BCHW);
  const auto patches = [&](Dinov2Net& net, const Tensor& images) {
    return net->patch_head()(net->backbone->patch_tokens(net->backbone->forward_tokens(images)).flatten(0, 1));
  };
  Dinov2Net student(small_encoder().vit(), c);
  student->to(at::kDouble);
  TensorMap weights;
  for (const auto& [name, t] : snapshot(method))
    if (name.starts_with("student.")) weights.emplace(name.substr(8), t);
  nn::load_weights(*student, weights);
  const Tensor target = at::softmax(patches(frozen.net, frozen.view.images(global)) / c.teacher_temp, 1);
  const Tensor wanted = -(target * at::log_softmax(patches(student, global) / c.student_temp, 1)).sum(1).mean();
  EXPECT_NEAR(method.forward(batch, at_step(0)).total.item<double>(), wanted.item<double>(), 5e-7);  // the weights of patches are float32
}

TEST_F(FrozenDinov2Test, TheTeacherStaysOutOfTheStateAndTheAverageFollows) {
  const MakeMethod make = maker<Dinov2>(config());
  expect_teacher_follows(make, 0.9, plain::momentum(0.9, 7, 10), 1);
  const State state = make(make_single_comm(), 0)->state();
  for (const auto& [name, t] : state.tensors) EXPECT_FALSE(name.starts_with("frozen_teacher")) << name;
  EXPECT_EQ(state.tensors.at("teacher.backbone.cls_token").size(2), 14);
  ASSERT_EQ(state.values.at("teachers").size(), 1u);
  const State before{state.tensors, state.values};
  write_teacher(4);
  const auto other = make(make_single_comm(), 0);
  EXPECT_THAT(message_of([&] { other->load_state(before); }, ErrorKind::Data), HasSubstr("has other weights than the run began with"));
}

TEST_F(FrozenDinov2Test, TeachersThatDoNotFitAreNamed) {
  Dinov2Config c = config();
  c.n_prototypes = 11;
  const auto load = [&](const Dinov2Config& with, ErrorKind kind) {
    return message_of([&] { load_frozen_dinov2(with.frozen_teacher, with, small_encoder()); }, kind);
  };
  EXPECT_THAT(load(c, ErrorKind::Config), HasSubstr("method.n_prototypes] 11 prototypes, and the frozen teacher"));
  c = config(), c.ibot_n_prototypes = 13;
  EXPECT_THAT(load(c, ErrorKind::Config), HasSubstr("method.ibot_n_prototypes] 13 prototypes"));
  c.frozen_teacher = folder / "nobody";
  EXPECT_THAT(load(c, ErrorKind::Io), HasSubstr("no such folder"));
  std::filesystem::create_directories(folder / "empty");
  c.frozen_teacher = folder / "empty";
  EXPECT_THAT(load(c, ErrorKind::Data), HasSubstr("holds no checkpoint of a run"));
}

TEST_F(FrozenDinov2Test, MaskingAndDropPathAreRefused) {
  Dinov2Config c = config();
  c.mask_probability = 0.5, c.gram_weight = 1;
  Collected some;
  c.validate(some);
  EXPECT_THAT(some.all, HasSubstr("mask_probability: 0.5 beside a frozen teacher"));
  EXPECT_THAT(some.all, HasSubstr("gram_weight: the teacher is frozen"));
  config::Choice method(method_table(), "dinov2");
  dynamic_cast<config::ConfigOf<Dinov2Config>&>(method.config()).value = config();
  RunShape run;
  run.steps = 10, run.crop_sizes = {96, 96}, run.drop_path_rate = 0.1, run.image_size_px = 224;
  Collected shape;
  check_run(method, run, shape);
  EXPECT_THAT(shape.all, HasSubstr("model.drop_path_rate: 0.1 beside a frozen teacher"));
  EXPECT_THAT(shape.all, HasSubstr("data.crops.global_size_px: 96 beside a frozen teacher"));
}

}  // namespace
}  // namespace eosin::ssl
