#include "ssl/feature_kd.h"
#include "ssl/logit_kd.h"
#include "tests/gradcheck.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

Tensor rows(uint64_t seed, const std::vector<int64_t>& shape) { return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble); }
Tensor leaf(uint64_t seed, const std::vector<int64_t>& shape) { return rows(seed, shape).requires_grad_(); }
const Tensor kLabels = at::tensor({2, 0, 1, 2, 2}, at::kLong);

TEST(HintonKd, GradientsAndEnds) {
  const Tensor student = leaf(1, {5, 3}), teacher = leaf(2, {5, 3});
  expect_gradients([&] { return hinton_kd_loss(student, teacher, kLabels, 3, 0.6).loss; }, {{"student", student}});
  EXPECT_FALSE(teacher.grad().defined());
  EXPECT_NEAR(hinton_kd_loss(student, student, kLabels, 3, 1).loss.item<double>(), 0, 1e-12);
  EXPECT_NEAR(hinton_kd_loss(student, teacher, kLabels, 3, 0).loss.item<double>(), at::cross_entropy_loss(student, kLabels).item<double>(), 1e-12);
  EXPECT_THAT(message_of([&] { hinton_kd_loss(student, teacher.slice(1, 1), kLabels, 3, 0.6); }, ErrorKind::Shape),
              HasSubstr("logits of [5, 3] and of the teacher [5, 2]"));
  EXPECT_THAT(message_of([&] { hinton_kd_loss(student, teacher, kLabels.slice(0, 1), 3, 0.6); }, ErrorKind::Shape), HasSubstr("labels of [4]"));
}

TEST(LogitKd, LabelsMayBeShares) {
  const Tensor student = rows(1, {5, 3}), teacher = rows(2, {5, 3}), shares = at::one_hot(kLabels, 3).to(at::kDouble);
  EXPECT_NEAR(hinton_kd_loss(student, teacher, shares, 2, 0.6).loss.item<double>(),
              hinton_kd_loss(student, teacher, kLabels, 2, 0.6).loss.item<double>(), 1e-12);
  const DeitOptions options{"hard", 0.4, 1.0, 0.1};
  EXPECT_NEAR(deit_loss(student, student, teacher, shares, options).item<double>(),
              deit_loss(student, student, teacher, kLabels, options).item<double>(), 1e-12);
}

/// At great temperatures T^2 KL tends to the squared distance of centred logits over 2C: gradients keep their size.
TEST(HintonKd, GreatTemperaturesCompareLogits) {
  const Tensor student = rows(1, {5, 3}), teacher = rows(2, {5, 3});
  const Tensor difference = student - teacher, centred = difference - difference.mean(1, true);
  EXPECT_NEAR(hinton_kd_loss(student, teacher, kLabels, 1e4, 1).kd.item<double>(), centred.square().sum().item<double>() / (2 * 3 * 5), 1e-3);
}

TEST(DeitLoss, GradientsOfEveryType) {
  const Tensor cls = leaf(1, {5, 3}), token = leaf(2, {5, 3}), teacher = rows(3, {5, 3});
  for (const std::string type : {"hard", "soft", "none"}) {
    const auto loss = [&] { return deit_loss(cls, token, teacher, kLabels, {type, 0.4, 2.0, 0.1}); };
    expect_gradients(loss, {{type + " class", cls}, {type + " distillation", token}});
  }
  EXPECT_THAT(message_of([&] { deit_loss(cls, token, teacher, kLabels, {"firm"}); }, ErrorKind::Config), HasSubstr("unknown distillation 'firm'"));
}

TEST(DeitLoss, SoftIsHintonsOverTheClasses) {
  const Tensor cls = rows(1, {5, 3}), token = rows(2, {5, 3}), teacher = rows(3, {5, 3});
  const double soft = deit_loss(cls, token, teacher, kLabels, {"soft", 1.0, 2.0, 0}).item<double>();
  EXPECT_NEAR(soft * 3, hinton_kd_loss(token, teacher, kLabels, 2, 1).kd.item<double>(), 1e-12);
}

TEST(FeatureKd, GradientsOfEveryLossThroughAResizedGrid) {
  const Tensor student = leaf(1, {2, 6, 5}), teacher = leaf(2, {2, 15, 5});
  for (const std::string name : {"cosine", "cosine_smooth_l1", "kl"}) {
    FeatureKdOptions options{name};
    options.temperature = 2, options.normalize_teacher = name == "cosine_smooth_l1";
    expect_gradients([&] { return feature_kd_loss(student, {2, 3}, teacher, {3, 5}, options); }, {{name, student}});
  }
  EXPECT_FALSE(teacher.grad().defined());
}

TEST(FeatureKd, AStudentThatIsItsTeacherCostsNothing) {
  const Tensor x = rows(1, {2, 6, 5});
  for (const std::string name : {"cosine", "cosine_smooth_l1", "kl"})
    EXPECT_NEAR(feature_kd_loss(x, {2, 3}, x, {2, 3}, {name}).item<double>(), 0, 1e-12) << name;
  FeatureKdOptions unit;
  unit.normalize_teacher = true;
  EXPECT_NEAR(feature_kd_loss(x, {2, 3}, 9 * x, {2, 3}, unit).item<double>(), 0, 1e-12);
}

TEST(FeatureKd, ErrorsNameTheShapes) {
  const Tensor x = rows(1, {2, 6, 5});
  EXPECT_THAT(message_of([&] { feature_kd_loss(x, {2, 2}, x, {2, 3}, {}); }, ErrorKind::Shape), HasSubstr("student's tokens of [2, 6, 5]"));
  EXPECT_THAT(message_of([&] { feature_kd_loss(x, {2, 3}, x.slice(2, 1), {2, 3}, {}); }, ErrorKind::Shape), HasSubstr("differ in batch or width"));
  EXPECT_THAT(message_of([&] { feature_kd_loss(x, {2, 3}, x, {2, 3}, {"l2"}); }, ErrorKind::Config), HasSubstr("unknown loss 'l2'"));
}

}  // namespace
}  // namespace eosin::ssl
