#include "ssl/soft_targets.h"

#include "tests/ssl/plain_losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

constexpr int64_t kK = kPrototypeChunk + 37;  // two chunks

Tensor whole(const SoftTargets& targets) { return at::cat({targets.chunk(0, 11), targets.chunk(11, targets.prototypes())}, 1); }

/// The iteration as the paper writes it, on the whole matrix.
Tensor plain_sinkhorn(const Tensor& logits, int64_t iterations) {
  Tensor q = (logits - logits.max()).exp().t();
  q /= q.sum();
  for (int64_t i = 0; i < iterations; ++i) {
    q /= q.sum(1, true) * q.size(0);
    q /= q.sum(0, true) * q.size(1);
  }
  return (q * q.size(1)).t();
}

TEST(SoftTargets, CentredOnesAreTheSoftmax) {
  const Tensor z = at::randn({7, 5}, at::kDouble), w = at::randn({kK, 5}, at::kDouble), center = at::randn({1, kK}, at::kDouble);
  for (const int64_t keep : {0L, kKeptTargets}) {
    const SoftTargets targets = centred_targets(z, w, center, 0.07, keep);
    EXPECT_EQ(targets.probabilities_MK.defined(), keep > 0);
    EXPECT_TRUE(whole(targets).allclose(plain::softmax_targets(z.matmul(w.t()), center, 0.07), 1e-10, 1e-14));
    EXPECT_TRUE(whole(targets).equal(whole(targets))) << "a chunk changed what is kept";
  }
}

TEST(SoftTargets, SinkhornIsThePlainIteration) {
  const auto comm = make_single_comm();
  const Tensor z = at::randn({7, 5}, at::kDouble), w = at::randn({kK, 5}, at::kDouble);
  for (const int64_t iterations : {1, 3})
    for (const int64_t keep : {0L, kKeptTargets}) {
      const SoftTargets targets = sinkhorn_targets(z, w, 0.5, iterations, *comm, keep);
      EXPECT_TRUE(whole(targets).allclose(plain_sinkhorn(z.matmul(w.t()) / 0.5, iterations), 1e-9, 1e-14));
    }
}

TEST(SoftTargets, SinkhornStandsLargeLogitsAndNoRows) {
  const auto comm = make_single_comm();
  const Tensor w = at::eye(3) * 400;
  const Tensor p = sinkhorn_targets(at::eye(3), w, 0.04, 3, *comm).chunk(0, 3);
  EXPECT_TRUE(p.allclose(at::eye(3)));
  EXPECT_EQ(sinkhorn_targets(at::zeros({0, 3}), w, 0.04, 3, *comm).chunk(0, 3).numel(), 0);
}

TEST(SoftTargets, CarryNoGradientAndAreFloatForHalves) {
  const Tensor z = at::randn({4, 5}).requires_grad_(), w = at::randn({7, 5}).requires_grad_();
  EXPECT_FALSE(centred_targets(z, w, at::zeros({1, 7}), 0.04).chunk(0, 7).requires_grad());
  const SoftTargets halves = centred_targets(z.to(at::kBFloat16), w.to(at::kBFloat16), at::zeros({1, 7}), 0.04);
  EXPECT_EQ(halves.chunk(0, 7).scalar_type(), at::kFloat);
  EXPECT_TRUE(halves.chunk(0, 7).sum(1).allclose(at::ones({4})));
}

}  // namespace
}  // namespace eosin::ssl
