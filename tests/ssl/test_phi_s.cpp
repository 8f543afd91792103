#include "ssl/phi_s.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

TEST(Hadamard, RowsAreOrthogonal) {
  for (const int64_t order : {1, 2, 4, 8, 12, 20, 24, 40, 44, 48, 64, 80, 192, 384}) {
    const Tensor h = hadamard(order);
    EXPECT_TRUE(h.abs().eq(1).all().item<bool>()) << order;
    EXPECT_TRUE(h.mm(h.t()).equal(at::eye(order, at::kDouble) * static_cast<double>(order))) << order;
  }
  for (const int64_t width : {768, 1024, 1280, 1536}) EXPECT_EQ(hadamard(width).size(0), width);
}

TEST(Hadamard, OrdersWithoutOneNameTheNearest) {
  EXPECT_THAT(message_of([] { hadamard(13); }, ErrorKind::Config), HasSubstr("order 13 is known to this program; nearest: 12 or 16"));
  EXPECT_THAT(message_of([] { hadamard(0); }, ErrorKind::Config), HasSubstr("nearest: 1"));
}

TEST(PhiS, VariancesAreOneAndDistancesInProportion) {
  const Tensor mix = at::randn({12, 12}, at::detail::createCPUGenerator(1), at::kDouble);
  const Tensor x = at::randn({200, 12}, at::detail::createCPUGenerator(2), at::kDouble).mm(mix) + 5;
  const Tensor y = fit_phi_s(x).apply(x);
  EXPECT_TRUE(y.mean(0).abs().lt(1e-10).all().item<bool>());
  EXPECT_TRUE(y.var(0, true).allclose(at::ones({12}, at::kDouble), 1e-10));
  const Tensor ratio = at::cdist(y, y) / at::cdist(x, x).clamp_min(1e-30);
  const double scale = ratio[0][1].item<double>();
  EXPECT_NEAR(ratio[7][150].item<double>(), scale, 1e-6 * scale);
  EXPECT_NEAR(ratio[33][44].item<double>(), scale, 1e-6 * scale);
  EXPECT_EQ(fit_phi_s(x).apply(x.to(at::kFloat)).scalar_type(), at::kFloat);
}

TEST(PhiS, SamplesThatSayNothingAreErrors) {
  EXPECT_THAT(message_of([] { fit_phi_s(at::ones({9, 4})); }, ErrorKind::Data), HasSubstr("all 9 samples are equal"));
  EXPECT_THAT(message_of([] { fit_phi_s(at::ones({1, 4})); }, ErrorKind::Shape), HasSubstr("need at least two rows"));
}

}  // namespace
}  // namespace eosin::ssl
