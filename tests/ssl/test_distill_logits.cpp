#include "ssl/distill_logits.h"

#include "core/nn/encoder.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "ssl/classify.h"
#include "tests/collected_problems.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/ssl/method_run.h"
#include "tests/temporary_folder.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

const data::ClassList kClasses{{"fat", "gland", "stroma"}, {30, 10, 20}};

/// A run of classify on smaller pictures, normalised otherwise.
class DistillLogitsTest : public testing::Test {
 protected:
  void SetUp() override { write_teacher(1); }
  void write_teacher(uint64_t seed, const data::ClassList& classes = kClasses) {
    nn::EncoderSpec spec = small_encoder();
    spec.vit().img_size = {10, 10}, spec.vit().embed_dim = 8;
    spec.mean = {0.5, 0.4, 0.3};
    ClassifyConfig config;
    config.pooling = "cls_mean";
    Classify teacher(config, spec, classes, seed, make_single_comm());
    std::filesystem::remove_all(folder / "teacher");
    write_run(folder / "teacher", teacher);
  }
  DistillLogitsConfig deit(const std::string& targets) const {
    DistillLogitsConfig c;
    c.teacher = folder / "teacher", c.targets = targets;
    if (targets == "soft") c.temperature = 3, c.alpha = 0.1;
    return c;
  }
  DistillLogitsConfig hinton() const {
    DistillLogitsConfig c = deit("soft");
    c.distillation_token = false, c.label_smoothing = 0, c.alpha = 0.9;
    return c;
  }
  static MakeMethod make(const DistillLogitsConfig& config) {
    return [config](const std::shared_ptr<Comm>& comm, double drop_path) {
      auto method = std::make_unique<DistillLogits>(config, small_encoder(drop_path), kClasses, 11, comm);
      method->to(at::kDouble);
      method->train();
      return method;
    };
  }
  TemporaryFolder folder;
};

TEST_F(DistillLogitsTest, TwoRanksEqualOneAndResumeIsExact) {
  DistillLogitsConfig mixed = deit("hard");
  mixed.mix.mixup_alpha = 0.8, mixed.mix.cutmix_alpha = 1;
  for (const DistillLogitsConfig& config : {deit("soft"), hinton(), mixed}) {
    expect_two_ranks_equal_one(make(config), view_batch(1, 8, 1));
    expect_resume_bit_for_bit(make(config), 1);
  }
}

TEST_F(DistillLogitsTest, TheLossIsThatOfTheTwoTokensAndTheTeacher) {
  const DistillLogitsConfig config = deit("hard");
  const auto method = make(config)(make_single_comm(), 0);
  const data::ViewBatch batch = view_batch(1, 4);
  nn::Classifier teacher = nn::load_classifier(config.teacher);
  teacher.encoder.model->to(at::kDouble), teacher.head->to(at::kDouble);
  const Tensor views = at::cat(batch.views_BCHW), labels = batch.labels_B.repeat({2});
  const TeacherView view(teacher.encoder.spec, {}, small_encoder(), "test");
  ClassifierNet student(with_distillation_token(small_encoder()).model, 3, true, make_single_comm());
  student->to(at::kDouble);
  TensorMap weights;
  for (const auto& [name, t] : snapshot(*method)) weights.emplace(name.substr(8), t);
  nn::load_weights(*student, weights);
  const ClassLogits logits = student->forward({views});
  const Tensor wanted = deit_loss(logits.cls_NC, logits.distillation_NC, teacher.logits(view.images(views)), labels, {"hard", 0.5, 1.0, 0.1});
  EXPECT_NEAR(method->forward(batch, at_step(0)).total.item<double>(), wanted.item<double>(), 1e-10);
  EXPECT_TRUE(logits.prediction().allclose((logits.cls_NC + logits.distillation_NC) / 2));
  EXPECT_FALSE(logits.cls_NC.allclose(logits.distillation_NC));
}

TEST_F(DistillLogitsTest, ADistilledRunIsATeacherWhoseHeadsAreAveraged) {
  const auto method = make(deit("hard"))(make_single_comm(), 0);
  write_run(folder / "deit", *method);
  nn::Classifier again = nn::load_classifier(folder / "deit");
  EXPECT_EQ(again.classes, kClasses.names);
  ASSERT_FALSE(again.head_dist.is_empty());
  again.encoder.model->to(at::kDouble), again.head->to(at::kDouble), again.head_dist->to(at::kDouble);
  const Tensor images = view_batch(3).views_BCHW[0], tokens = nn::as_vit(again.encoder.model)->forward_tokens(images);
  const Tensor wanted = (again.head(tokens.select(1, 0)) + again.head_dist(tokens.select(1, 1))) / 2;
  EXPECT_TRUE(again.logits(images).allclose(wanted, 1e-9, 1e-10));
  EXPECT_EQ(nn::load_encoder(folder / "deit").spec.vit().pos_prefix(), 2);
}

TEST_F(DistillLogitsTest, OnlyTheStudentIsTrainedAndKept) {
  const auto method = make(deit("hard"))(make_single_comm(), 0);
  std::vector<std::string> names;
  for (const auto& group : method->param_groups()) names.insert(names.end(), group.names.begin(), group.names.end());
  EXPECT_THAT(names, testing::Contains("student.head_dist.weight"));
  EXPECT_THAT(names, testing::Contains("student.backbone.reg_token"));
  EXPECT_THAT(names, testing::Each(testing::StartsWith("student.")));
  EXPECT_EQ(method->state().tensors.size(), names.size());
  const auto parts = logged_parts(make(deit("hard")));
  EXPECT_EQ(parts.count("accuracy") + parts.count("teacher_accuracy"), 2u);
}

TEST_F(DistillLogitsTest, TeachersThatDoNotFitAreNamed) {
  const auto method = make(deit("hard"))(make_single_comm(), 0);
  const State before{snapshot(*method), method->state().values};
  write_teacher(2);
  const auto other = make(deit("hard"))(make_single_comm(), 0);
  EXPECT_THAT(message_of([&] { other->load_state(before); }, ErrorKind::Data), HasSubstr("has other weights than the run began with"));
  write_teacher(1, {{"fat", "gland"}, {1, 1}});
  EXPECT_THAT(message_of([&] { make(deit("hard"))(make_single_comm(), 0); }, ErrorKind::Config), HasSubstr("2 classes apart and the labels have 3"));
  write_teacher(1, {{"fat", "gland", "mucus"}, {1, 1, 1}});
  EXPECT_THAT(message_of([&] { make(deit("hard"))(make_single_comm(), 0); }, ErrorKind::Config),
              HasSubstr("other classes apart (fat, gland, mucus)"));
  DistillLogitsConfig size = deit("hard");
  write_teacher(1);
  size.teacher_size_px = 12;
  EXPECT_THAT(message_of([&] { make(size)(make_single_comm(), 0); }, ErrorKind::Config), HasSubstr("teacher_size_px] 12 is not a multiple"));
  nn::EncoderSpec registers = small_encoder();
  registers.vit().reg_tokens = 2;
  EXPECT_THAT(message_of([&] { with_distillation_token(registers); }, ErrorKind::Config), HasSubstr("2 registers beside a distillation token"));
}

TEST_F(DistillLogitsTest, ContradictionsAreNamed) {
  Collected some, none;
  DistillLogitsConfig c;
  c.distillation_token = false, c.temperature = 2, c.teacher_mean = {0.5};
  c.validate(some);
  EXPECT_THAT(some.all, HasSubstr("teacher: no teacher is given"));
  EXPECT_THAT(some.all, HasSubstr("targets: hard targets are for the distillation token"));
  EXPECT_THAT(some.all, HasSubstr("temperature: hard targets have none"));
  EXPECT_THAT(some.all, HasSubstr("teacher_mean: 1 numbers (need 3, or none)"));
  hinton().validate(none);
  EXPECT_EQ(none.all, "");
}

}  // namespace
}  // namespace eosin::ssl
