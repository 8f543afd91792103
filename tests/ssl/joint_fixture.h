#pragma once
// What every method on views is tested with: a small encoder, batches, steps, ranks, restarts.
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "optim/adamw.h"
#include "tests/message_of.h"
#include "tests/thread_ranks.h"
#include "train/objective.h"

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace eosin::ssl {

inline nn::EncoderSpec small_encoder(double drop_path = 0) {
  nn::EncoderSpec spec;
  spec.vit().img_size = {15, 15};
  spec.vit().patch_size = 5;
  spec.vit().embed_dim = 14;
  spec.vit().depth = 2;
  spec.vit().num_heads = 2;
  spec.vit().mlp_hidden = 11;
  spec.vit().drop_path_rate = drop_path;
  return spec;
}

/// Two views of 15 px and `locals` of 10 px, of tiles 0, 1, ... of three classes in turn.
inline data::ViewBatch view_batch(uint64_t seed, int64_t tiles = 4, int64_t locals = 0) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  data::ViewBatch b;
  for (int64_t v = 0; v < 2 + locals; ++v) {
    const int64_t side = v < 2 ? 15 : 10;
    b.views_BCHW.push_back(at::randn({tiles, 3, side, side}, generator, at::kDouble));
  }
  b.first_position = static_cast<int64_t>(seed) * tiles;
  b.ids.resize(static_cast<size_t>(tiles));
  b.labels_B = at::arange(tiles) % 3;
  for (int64_t tile = 0; tile < tiles; ++tile) b.tiles.push_back(tile);
  return b;
}

/// The tiles of one of `ranks`.
inline data::ViewBatch share_of(const data::ViewBatch& batch, int rank, int ranks) {
  data::ViewBatch mine = batch;
  const auto tiles = static_cast<int64_t>(batch.ids.size()) / ranks;
  for (Tensor& view : mine.views_BCHW) view = view.narrow(0, rank * tiles, tiles).contiguous();
  mine.ids.resize(static_cast<size_t>(tiles));
  if (mine.labels_B.defined()) mine.labels_B = mine.labels_B.narrow(0, rank * tiles, tiles);
  if (!mine.tiles.empty()) mine.tiles.assign(batch.tiles.begin() + rank * tiles, batch.tiles.begin() + (rank + 1) * tiles);
  mine.first_position += rank * tiles;
  return mine;
}

inline train::Progress at_step(int64_t step, bool log = false) {
  train::Progress p;
  p.step = step, p.steps = 10, p.log_step = log;
  return p;
}

using ViewObjective = train::Objective<data::ViewBatch>;
using MakeMethod = std::function<std::unique_ptr<ViewObjective>(const std::shared_ptr<Comm>&, double drop_path)>;

template <class Method, class Config>
MakeMethod maker(const Config& config) {
  return [config](const std::shared_ptr<Comm>& comm, double drop_path) {
    auto method = std::make_unique<Method>(config, small_encoder(drop_path), 11, comm);
    method->to(at::kDouble);
    method->train();
    return method;
  };
}

inline TensorMap snapshot(ViewObjective& method) {
  TensorMap copy;
  for (const auto& [name, t] : method.state().tensors) copy.emplace(name, t.detach().clone());
  return copy;
}

inline double step(ViewObjective& method, optim::AdamW& adamw, const data::ViewBatch& batch, int64_t k) {
  adamw.zero_grad();
  const train::Loss loss = method.forward(batch, at_step(k));
  loss.total.backward();
  adamw.step({1e-2, 0.1, false, method.momentum(at_step(k))});
  method.after_update(at_step(k));
  return loss.total.item<double>();
}

/// Gradients of the trained parameters after one backward pass, and the loss.
inline std::pair<double, TensorMap> gradients(ViewObjective& method, const data::ViewBatch& batch) {
  const train::Loss loss = method.forward(batch, at_step(0));
  loss.total.backward();
  TensorMap grads;
  for (const auto& group : method.param_groups())
    for (size_t i = 0; i < group.names.size(); ++i) grads.emplace(group.names[i], group.params[i].grad());
  return {loss.total.item<double>(), grads};
}

/// Gradients that are averaged over two ranks are those of one process with both ranks' tiles, and so are buffers.
inline void expect_two_ranks_equal_one(const MakeMethod& make, const data::ViewBatch& batch) {
  const auto one = make(make_single_comm(), 0);
  const auto [loss, whole] = gradients(*one, batch);
  std::vector<std::pair<double, TensorMap>> parts(2);
  std::vector<TensorMap> states(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    const auto method = make(comm, 0);
    const auto k = static_cast<size_t>(comm->rank());
    parts[k] = gradients(*method, share_of(batch, comm->rank(), 2));
    states[k] = snapshot(*method);
  });
  EXPECT_NEAR((parts[0].first + parts[1].first) / 2, loss, 1e-10 * (1 + std::abs(loss)));
  double largest = 0;
  for (const auto& [name, grad] : whole) {
    ASSERT_TRUE(grad.defined()) << name;
    largest = std::max(largest, grad.abs().max().item<double>());
    const Tensor mean = (parts[0].second.at(name) + parts[1].second.at(name)) / 2;
    EXPECT_TRUE(mean.allclose(grad, 1e-7, 1e-10)) << name << "\n" << mean << grad;
  }
  EXPECT_GT(largest, 1e-6);
  for (const auto& [name, t] : snapshot(*one)) EXPECT_TRUE(states[1].at(name).allclose(t, 1e-10, 1e-12)) << name;
}

/// A method that takes over another's state and optimizer goes on with the same bits.
inline void expect_resume_bit_for_bit(const MakeMethod& make, int64_t locals = 0) {
  const auto batch = [&](int64_t k) { return view_batch(static_cast<uint64_t>(k) + 1, 4, locals); };
  const auto straight = make(make_single_comm(), 0.5), resumed = make(make_single_comm(), 0.5);
  optim::AdamW a({}, straight->param_groups());
  a.add_averages(straight->averages());
  for (int64_t k = 0; k < 2; ++k) step(*straight, a, batch(k), k);
  const State method_state{snapshot(*straight), straight->state().values};
  State optimizer_state = a.state();
  for (auto& [name, t] : optimizer_state.tensors) t = t.clone();
  const double next = step(*straight, a, batch(2), 2);

  optim::AdamW b({}, resumed->param_groups());
  b.add_averages(resumed->averages());
  resumed->load_state(method_state);
  b.load_state(optimizer_state);
  ASSERT_EQ(step(*resumed, b, batch(2), 2), next);
  const TensorMap x = snapshot(*straight), y = snapshot(*resumed);
  for (const auto& [name, t] : x) ASSERT_TRUE(t.equal(y.at(name))) << name;
}

/// The teacher starts as the student's copy, gets no gradient, and follows backbone and projector with these momenta at steps 0 and 7 of 10.
inline void expect_teacher_follows(const MakeMethod& make, double momentum_0, double momentum_7, int64_t locals = 0) {
  const auto method = make(make_single_comm(), 0);
  optim::AdamW adamw({}, method->param_groups());
  adamw.add_averages(method->averages());
  int64_t followed = 0;
  for (const auto& [k, momentum] : {std::pair<int64_t, double>{0, momentum_0}, {7, momentum_7}}) {
    const TensorMap before = snapshot(*method);
    step(*method, adamw, view_batch(static_cast<uint64_t>(k) + 1, 4, locals), k);
    const TensorMap after = snapshot(*method);
    for (const auto& item : method->named_parameters()) {
      const std::string& name = item.key();
      if (!name.starts_with("teacher.")) continue;
      ++followed;
      const std::string student = "student." + name.substr(8);
      EXPECT_FALSE(item.value().grad().defined()) << name;
      if (k == 0) EXPECT_TRUE(before.at(name).equal(before.at(student))) << name;
      EXPECT_TRUE(after.at(name).allclose(before.at(name) * momentum + after.at(student) * (1 - momentum), 1e-12, 1e-14)) << name << " at " << k;
    }
  }
  EXPECT_GT(followed, 40);
}

/// With layer_decay 0.5 and two blocks: half the rate in the last block, a quarter in the first, an eighth in the patch embedding.
template <class Method, class Config>
void expect_layer_rates(Config config) {
  config.layer_decay = 0.5;
  const auto method = maker<Method>(config)(make_single_comm(), 0);
  std::map<std::string, double> rates;
  for (const auto& group : method->param_groups())
    for (const auto& name : group.names) rates[name] = group.lr_scale;
  EXPECT_DOUBLE_EQ(rates.at("student.backbone.norm.weight"), 1);
  EXPECT_DOUBLE_EQ(rates.at("student.backbone.blocks.1.mlp.fc1.weight"), 0.5);
  EXPECT_DOUBLE_EQ(rates.at("student.backbone.blocks.0.mlp.fc1.bias"), 0.25);
  EXPECT_DOUBLE_EQ(rates.at("student.backbone.patch_embed.proj.weight"), 0.125);
  for (const auto& [name, rate] : rates)
    if (!name.starts_with("student.backbone.")) EXPECT_EQ(rate, 1) << name;
}

inline void expect_needs_two_views(const MakeMethod& make) {
  const auto method = make(make_single_comm(), 0);
  data::ViewBatch one = view_batch(1);
  one.views_BCHW.resize(1);
  EXPECT_THAT(message_of([&] { method->forward(one, at_step(0)); }, ErrorKind::Shape), testing::HasSubstr("a batch has 1 views"));
}

/// What is logged when a step is.
inline std::map<std::string, double> logged_parts(const MakeMethod& make, int64_t locals = 0) {
  const auto method = make(make_single_comm(), 0);
  const train::Loss loss = method->forward(view_batch(1, 4, locals), at_step(0, true));
  std::map<std::string, double> parts{{"total", loss.total.item<double>()}};
  for (const auto& [name, value] : loss.parts) parts[name] = value.item<double>();
  return parts;
}

inline Tensor random_rows(uint64_t seed, int64_t rows, int64_t dim) {
  return at::randn({rows, dim}, at::detail::createCPUGenerator(seed), at::kDouble);
}
inline Tensor random_leaf(uint64_t seed, int64_t rows, int64_t dim) { return random_rows(seed, rows, dim).requires_grad_(); }

}  // namespace eosin::ssl
