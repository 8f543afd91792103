#include "core/base/error.h"
#include "ssl/gram.h"
#include "tests/gradcheck.h"

namespace eosin::ssl {
namespace {

TEST(Gram, SeesSimilaritiesAndNothingElse) {
  const Tensor x = at::randn({2, 5, 3}, at::kDouble), turn = std::get<0>(at::linalg_qr(at::randn({3, 3}, at::kDouble)));
  EXPECT_NEAR(gram_loss(x.matmul(turn) * 7, x).item<double>(), 0, 1e-20);  // turned and scaled
  EXPECT_GT(gram_loss(at::randn({2, 5, 3}, at::kDouble), x).item<double>(), 1e-3);
}

TEST(Gram, GradientsToTheStudentAlone) {
  for (const char* negatives : {"none", "both", "teacher"})
    for (const bool img_level : {true, false}) {
      const Tensor student = at::randn({2, 4, 3}, at::kDouble).requires_grad_(), teacher = at::randn({2, 4, 3}, at::kDouble).requires_grad_();
      expect_gradients([&] { return gram_loss(student, teacher, {true, img_level, negatives}); }, {{"student", student}}, 24);
      EXPECT_FALSE(teacher.grad().defined());
    }
}

TEST(Gram, RefusesOtherShapesAndWords) {
  EXPECT_THROW(gram_loss(at::ones({2, 4, 3}), at::ones({2, 5, 3})), Error);
  EXPECT_THROW(gram_loss(at::ones({2, 4, 3}), at::ones({2, 4, 3}), {true, true, "student"}), Error);
}

}  // namespace
}  // namespace eosin::ssl
