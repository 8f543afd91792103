#include "mil/attention_pool.h"
#include "tests/gradcheck.h"
#include "tests/mil/make_head.h"

#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

TEST(AttentionPool, IsTheSoftmaxMeanOfEachBag) {
  const Tensor scores = at::randn({7, 2}, at::kDouble), values = at::randn({7, 3}, at::kDouble);
  const Pooled p = attention_pool(scores, values, {0, 2, 7});
  EXPECT_TRUE(at::allclose(p.embedding_BKE[1], scores.narrow(0, 2, 5).softmax(0).t().matmul(values.narrow(0, 2, 5))));
  EXPECT_TRUE(at::allclose(p.attention_KN.narrow(1, 0, 2).sum(1), at::ones({2}, at::kDouble)));
}

TEST(AttentionPool, HasGradients) {
  const Tensor scores = at::randn({7, 2}, at::kDouble).requires_grad_(), values = at::randn({7, 3}, at::kDouble).requires_grad_();
  const Tensor weights = at::randn({2, 2, 3}, at::kDouble);
  expect_gradients([&] { return (attention_pool(scores, values, {0, 3, 7}).embedding_BKE * weights).sum(); }, {{"s", scores}, {"v", values}});
}

/// Scores far apart: a chunk of small ones must not lose what it has, nor a large one overflow.
TEST(AttentionPool, InChunksIsTheSame) {
  const Tensor x = at::randn({23, 5}, at::kDouble).requires_grad_(), w = (at::randn({5, 2}, at::kDouble) * 30).requires_grad_();
  const Tensor v = at::randn({5, 3}, at::kDouble).requires_grad_(), cotangent = at::randn({1, 2, 3}, at::kDouble);
  const auto score = [&](const Tensor& rows, int64_t) { return std::pair{rows.matmul(w), rows.matmul(v).tanh()}; };
  const auto plain = [&] { return attention_pool(x.matmul(w), x.matmul(v).tanh(), {0, 23}); };
  (plain().embedding_BKE * cotangent).sum().backward();
  const std::vector<Tensor> want = {x.grad().clone(), w.grad().clone(), v.grad().clone()};
  for (const int64_t rows : {1, 4, 23, 100}) {
    for (const Tensor& t : {x, w, v}) t.mutable_grad() = Tensor();
    const Pooled p = attention_pool_chunked(x, score, {w, v}, rows);
    EXPECT_TRUE(at::allclose(p.embedding_BKE, plain().embedding_BKE, 1e-12, 1e-12)) << rows;
    EXPECT_TRUE(at::allclose(p.attention_KN, plain().attention_KN, 1e-12, 1e-12)) << rows;
    (p.embedding_BKE * cotangent).sum().backward();
    EXPECT_TRUE(at::allclose(x.grad(), want[0], 1e-9, 1e-12) && at::allclose(w.grad(), want[1], 1e-9, 1e-12) &&
                at::allclose(v.grad(), want[2], 1e-9, 1e-12))
        << rows;
  }
}

TEST(AttentionPool, AbmilInChunksIsAbmil) {
  const std::vector<std::string> settings = {"head.embed_dims=[7]", "head.attention_dim=3", "head.gated=true", "head.branches=2"};
  std::vector<std::string> chunked = settings;
  chunked.push_back("head.chunk_rows=4");
  const auto a = make_small("abmil", settings, {5, 3}), b = make_small("abmil", chunked, {5, 3});
  a->to(at::kDouble), b->to(at::kDouble);
  const BagBatch bags = make_bags({3, 11, 1}, 5, 3);
  for (const Pass& pass : {Pass{}, Pass{DrawKey{1, 2}, 0}}) {
    const HeadOutput want = a->forward(bags, pass), got = b->forward(bags, pass);
    EXPECT_TRUE(at::allclose(got.logits_BC, want.logits_BC, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(got.attention_KN, want.attention_KN, 1e-12, 1e-12));
    a->zero_grad(), b->zero_grad();
    want.logits_BC.square().sum().backward(), got.logits_BC.square().sum().backward();
    const auto grads = b->named_parameters();
    for (const auto& p : a->named_parameters()) EXPECT_TRUE(at::allclose(p.value().grad(), grads[p.key()].grad(), 1e-9, 1e-12)) << p.key();
  }
}

}  // namespace
}  // namespace eosin::mil
