// Head, loss, moving average, collapse measures, crop groups.
#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/collapse.h"
#include "ssl/crop_groups.h"
#include "ssl/dino_head.h"
#include "ssl/dino_loss.h"
#include "ssl/ema.h"
#include "tests/gradcheck.h"
#include "tests/ssl/plain_losses.h"

#include <cmath>

namespace eosin::ssl {
namespace {

DinoHeadShape shape() {
  DinoHeadShape s;
  s.in_dim = 5;
  s.hidden_dim = 11;
  s.bottleneck_dim = 3;
  s.n_prototypes = 13;
  return s;
}

TEST(DinoHead, OutputsAreCosinesWhenLengthsAreOne) {
  DinoHead head(shape());
  head->init_weights(1);
  const Tensor y = head(at::randn({7, 5}) * 100);
  EXPECT_EQ(y.sizes(), (std::vector<int64_t>{7, 13}));
  EXPECT_LE(y.abs().max().item<double>(), 1.0 + 1e-6);
}

TEST(DinoHead, Gradients) {
  for (const bool use_bn : {false, true}) {
    DinoHeadShape s = shape();
    s.use_bn = use_bn;
    s.freeze_g = false;
    DinoHead head(s);
    head->init_weights(2);
    head->to(at::kDouble);
    for (Tensor& p : head->parameters()) {
      const at::NoGradGuard no_grad;
      p.add_(at::randn_like(p) * 0.2);
    }
    const Tensor x = at::randn({7, 5}, at::kDouble).requires_grad_(), weight = at::randn({7, 13}, at::kDouble);
    std::vector<std::pair<std::string, Tensor>> leaves = {{"x", x}};
    for (const auto& item : head->named_parameters()) leaves.emplace_back(item.key(), item.value());
    expect_gradients([&] { return (head(x) * weight).sum(); }, leaves, 6, 1e-5);
  }
}

TEST(DinoLoss, IsTheMeanOverPairs) {
  const int64_t batch = 3;
  for (const int64_t crops : {2, 5}) {
    const Tensor student = at::randn({crops * batch, 17}, at::kDouble), targets = at::softmax(at::randn({2 * batch, 17}, at::kDouble), -1);
    const Tensor got = dino_loss(student, plain::identity(student), plain::as_targets(targets), crops, 2, 0.1);
    EXPECT_NEAR(got.item<double>(), plain::dino_loss(student, targets, crops, 2, 0.1).item<double>(), 1e-10);
  }
}

TEST(DinoLoss, Gradients) {
  const Tensor student = at::randn({4 * 3, 7}, at::kDouble).requires_grad_();
  const SoftTargets targets = plain::as_targets(at::softmax(at::randn({2 * 3, 7}, at::kDouble), -1));
  expect_gradients([&] { return dino_loss(student, plain::identity(student), targets, 4, 2, 0.5); }, {{"student", student}}, 84);
}

TEST(Ema, IsTheConvexCombination) {
  std::vector<Tensor> teacher = {at::full({3}, 2.0, at::kDouble), at::full({2, 5}, -1.0, at::kDouble)};
  const std::vector<Tensor> student = {at::full({3}, 4.0, at::kDouble), at::full({2, 5}, 1.0, at::kDouble)};
  update_ema(teacher, student, 0.75);
  EXPECT_TRUE(teacher[0].allclose(at::full({3}, 2.5, at::kDouble)));
  EXPECT_TRUE(teacher[1].allclose(at::full({2, 5}, -0.5, at::kDouble)));
  const Tensor before = teacher[0].clone();
  update_ema(teacher, student, 1.0);
  EXPECT_TRUE(teacher[0].equal(before));
}

double measure(const Tensor& targets, const std::string& name) {
  for (const auto& [key, value] : collapse_measures(plain::as_targets(targets)))
    if (key == name) return value.item<double>();
  return NAN;
}

TEST(Collapse, TellsApartTheWaysToCollapse) {
  const Tensor uniform = at::full({6, 8}, 1.0 / 8), spread = at::eye(8), one = at::eye(8).narrow(0, 3, 1).expand({6, 8});
  EXPECT_NEAR(measure(uniform, "teacher_entropy"), std::log(8.0), 1e-5);
  EXPECT_NEAR(measure(spread, "teacher_entropy"), 0, 1e-6);
  EXPECT_NEAR(measure(spread, "kl_to_uniform"), 0, 1e-5);
  EXPECT_NEAR(measure(one, "kl_to_uniform"), std::log(8.0), 1e-5);
  EXPECT_NEAR(measure(spread, "prototype_usage"), 1, 1e-6);
  EXPECT_NEAR(measure(one, "prototype_usage"), 1.0 / 6, 1e-6);
}

TEST(CropGroups, JoinsNeighboursOfOneSizeWithoutACopy) {
  const Tensor slab = at::randn({4 * 3, 3, 5, 7});
  const std::vector<Tensor> views = {at::randn({3, 3, 11, 11}), at::randn({3, 3, 11, 11}), slab.narrow(0, 0, 3),
                                     slab.narrow(0, 3, 3),      slab.narrow(0, 6, 3),      slab.narrow(0, 9, 3)};
  const auto groups = group_by_size(views);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_TRUE(groups[0].equal(at::cat({views[0], views[1]})));
  EXPECT_TRUE(groups[1].equal(slab));
  EXPECT_EQ(groups[1].data_ptr(), slab.data_ptr());
}

}  // namespace
}  // namespace eosin::ssl
