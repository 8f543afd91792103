#include "core/base/error.h"
#include "ssl/sinkhorn.h"
#include "tests/thread_ranks.h"

#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

/// The definition, without care for overflow.
Tensor by_the_book(const Tensor& logits_NK, double temperature, int64_t iterations) {
  const auto rows = static_cast<double>(logits_NK.size(0)), prototypes = static_cast<double>(logits_NK.size(1));
  Tensor q_KN = (logits_NK / temperature).exp().t();
  q_KN = q_KN / q_KN.sum();
  for (int64_t i = 0; i < iterations; ++i) {
    q_KN = q_KN / q_KN.sum(1, true) / prototypes;
    q_KN = q_KN / q_KN.sum(0, true) / rows;
  }
  return (q_KN * rows).t();
}

Tensor alone(const Tensor& logits_NK, double temperature, int64_t iterations) {
  const auto comm = make_single_comm();
  return sinkhorn(logits_NK, temperature, iterations, *comm);
}

TEST(Sinkhorn, EqualsTheDefinitionAfterEveryRound) {
  const Tensor logits = at::randn({11, 7}, at::kDouble);
  for (const int64_t iterations : {1, 2, 3, 8})
    EXPECT_TRUE(alone(logits, 0.3, iterations).allclose(by_the_book(logits, 0.3, iterations), 1e-12, 1e-14)) << iterations;
}

TEST(Sinkhorn, SharesPrototypesEvenlyInTheEnd) {
  const Tensor q = alone(at::randn({20, 5}, at::kDouble), 0.5, 200);
  EXPECT_TRUE(q.sum(1).allclose(at::ones({20}, at::kDouble)));
  EXPECT_TRUE(q.sum(0).allclose(at::full({5}, 4.0, at::kDouble), 1e-6));
}

/// Rows and prototypes so far below the rest that their exponentials are 0 in float32.
TEST(Sinkhorn, AnyFiniteLogitsGiveProbabilities) {
  Tensor logits = at::randn({9, 6});
  logits[3] -= 1e4;
  logits.select(1, 2) -= 3e4;
  logits[5][1] = 1e5;
  for (const int64_t iterations : {1, 3}) {
    const Tensor q = alone(logits, 0.04, iterations);
    EXPECT_TRUE(q.isfinite().all().item<bool>());
    EXPECT_TRUE(q.sum(1).allclose(at::ones({9}), 1e-5));
  }
  const Tensor shifted = at::randn({9, 6}, at::kDouble);
  EXPECT_TRUE(alone(shifted + 500, 0.04, 3).allclose(alone(shifted, 0.04, 3), 1e-8));
}

TEST(Sinkhorn, RanksShareTheRowsAndOneMayHaveNone) {
  const Tensor logits = at::randn({10, 6}, at::kDouble), whole = alone(logits, 0.2, 3);
  const int64_t rows[] = {4, 0, 6}, begin[] = {0, 4, 4};
  run_ranks(3, [&](const std::shared_ptr<Comm>& comm) {
    const int r = comm->rank();
    const Tensor own = sinkhorn(logits.narrow(0, begin[r], rows[r]), 0.2, 3, *comm);
    EXPECT_TRUE(own.allclose(whole.narrow(0, begin[r], rows[r]), 1e-12, 1e-14)) << r;
  });
}

TEST(Sinkhorn, NoRowsAnywhereIsNoError) {
  EXPECT_EQ(alone(at::empty({0, 6}), 0.1, 3).sizes(), (std::vector<int64_t>{0, 6}));
  EXPECT_THROW(alone(at::ones({2, 3}), 0.1, 0), Error);
}

TEST(Sinkhorn, CarriesNoGradientAndIsFloatForHalves) {
  EXPECT_FALSE(alone(at::randn({4, 3}).requires_grad_(), 0.1, 3).requires_grad());
  EXPECT_EQ(alone(at::randn({4, 3}).to(at::kBFloat16), 0.1, 3).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace eosin::ssl
