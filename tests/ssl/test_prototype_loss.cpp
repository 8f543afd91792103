#include "ssl/prototype_loss.h"

#include "core/base/error.h"
#include "core/tensor/device.h"
#include "tests/gradcheck.h"
#include "tests/ssl/plain_losses.h"

namespace eosin::ssl {
namespace {

constexpr int64_t kK = 2 * kPrototypeChunk + 37, kBatch = 3, kDim = 5;

struct Student {
  Tensor features, prototypes;
  explicit Student(int64_t rows, int64_t k = kK)
      : features(at::randn({rows, kDim}, at::kDouble).requires_grad_()), prototypes(at::randn({k, kDim}, at::kDouble).requires_grad_()) {}
  Tensor logits() const { return features.matmul(prototypes.t()); }
  std::vector<Tensor> gradients(const Tensor& loss) const {
    features.mutable_grad() = Tensor(), prototypes.mutable_grad() = Tensor();
    loss.backward();
    return {features.grad(), prototypes.grad()};
  }
};

SoftTargets some_targets(int64_t rows, int64_t k = kK, int64_t keep_at_most = kKeptTargets) {
  return centred_targets(at::randn({rows, kDim}, at::kDouble), at::randn({k, kDim}, at::kDouble), at::randn({1, k}, at::kDouble), 0.3, keep_at_most);
}

TEST(PrototypeLoss, CropsAreDinosLossWithItsGradients) {
  for (const int64_t crops : {2, 5}) {
    const Student student(crops * kBatch);
    const SoftTargets targets = some_targets(2 * kBatch, kK, crops == 2 ? 0 : kKeptTargets);
    const Tensor terms = crop_cross_entropy(student.features, student.prototypes, 0.1, targets, crops, 2);
    EXPECT_EQ(terms.sizes(), (std::vector<int64_t>{crops, kBatch}));
    const Tensor loss = terms.sum() / static_cast<double>(2 * (crops - 1) * kBatch);
    const Tensor plain = plain::dino_loss(student.logits(), targets.chunk(0, kK), crops, 2, 0.1);
    EXPECT_NEAR(loss.item<double>(), plain.item<double>(), 1e-10);
    const auto got = student.gradients(loss), want = student.gradients(plain);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].allclose(want[i], 1e-9, 1e-13));
  }
}

TEST(PrototypeLoss, PairsAreDinov2sLoss) {
  const Student student(4 * kBatch);
  const SoftTargets targets = some_targets(2 * kBatch);
  const Tensor loss = pair_cross_entropy(student.features, student.prototypes, 0.1, targets, 4, 2).sum() / static_cast<double>(kBatch);
  const Tensor plain = plain::dinov2_loss(student.logits(), targets.chunk(0, kK), 4, 2, 0.1);
  EXPECT_NEAR(loss.item<double>(), plain.item<double>(), 1e-9);
  const auto got = student.gradients(loss), want = student.gradients(plain);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].allclose(want[i], 1e-9, 1e-12));
}

TEST(PrototypeLoss, RowsAreTheirCrossEntropiesAndTakeWeights) {
  const Student student(7);
  const SoftTargets targets = some_targets(7);
  const Tensor weight = at::rand({7}, at::kDouble);
  const Tensor rows = pair_cross_entropy(student.features, student.prototypes, 0.1, targets).view({-1});
  const Tensor plain = -(targets.chunk(0, kK) * at::log_softmax(student.logits() / 0.1, -1)).sum(-1);
  EXPECT_TRUE(rows.allclose(plain, 1e-10, 1e-12));
  const auto got = student.gradients((rows * weight).sum()), want = student.gradients((plain * weight).sum());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].allclose(want[i], 1e-9, 1e-13));
  EXPECT_EQ(pair_cross_entropy(at::zeros({0, kDim}, at::kDouble), student.prototypes, 0.1, some_targets(0)).numel(), 0);
}

TEST(PrototypeLoss, GradientsAgainstDifferences) {
  const Student student(4 * kBatch, 7);
  const SoftTargets targets = some_targets(2 * kBatch, 7);
  const Tensor weight = at::rand({4, kBatch}, at::kDouble);
  expect_gradients([&] { return (crop_cross_entropy(student.features, student.prototypes, 0.5, targets, 4, 2) * weight).sum(); },
                   {{"features", student.features}, {"prototypes", student.prototypes}}, 60);
}

TEST(PrototypeLoss, InBfloat16ItIsTheSameUpToRounding) {
  const Tensor z = at::randn({4 * kBatch, kDim}).requires_grad_(), w = at::randn({kK, kDim}).requires_grad_();
  const Tensor teacher = at::randn({2 * kBatch, kDim}), center = at::zeros({1, kK});
  const auto loss = [&](at::ScalarType precision) {
    const device::Autocast autocast(at::kCPU, precision);
    const SoftTargets targets = centred_targets(teacher, w, center, 0.5);
    return crop_cross_entropy(z, w, 0.5, targets, 4, 2).mean();
  };
  const Tensor full = loss(at::kFloat), half = loss(at::kBFloat16);
  EXPECT_NEAR(half.item<double>(), full.item<double>(), 0.02 * full.item<double>());
  full.backward();
  const Tensor want = z.grad().clone();
  z.mutable_grad() = Tensor();
  half.backward();
  EXPECT_EQ(z.grad().scalar_type(), at::kFloat);
  EXPECT_LT((z.grad() - want).norm().item<double>(), 0.05 * want.norm().item<double>());
}

TEST(PrototypeLoss, RefusesRowsThatAreNoCrops) {
  const SoftTargets targets = some_targets(6, 7);
  const auto loss = [&](int64_t rows, int64_t k, int64_t crops, int64_t teacher_crops) {
    return crop_cross_entropy(at::zeros({rows, kDim}, at::kDouble), at::zeros({k, kDim}, at::kDouble), 0.1, targets, crops, teacher_crops);
  };
  EXPECT_NO_THROW(loss(12, 7, 4, 2));
  EXPECT_THROW(loss(13, 7, 4, 2), Error);
  EXPECT_THROW(loss(12, 8, 4, 2), Error);
  EXPECT_THROW(loss(6, 7, 1, 1), Error);
  EXPECT_THROW(pair_cross_entropy(at::zeros({5, kDim}, at::kDouble), at::zeros({7, kDim}, at::kDouble), 0.1, targets), Error);
}

}  // namespace
}  // namespace eosin::ssl
