#pragma once
// A tiny encoder, batches of it, and steps of any method on them, in float64.
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "optim/adamw.h"
#include "train/objective.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <string>

namespace eosin::ssl::tiny {

using Method = train::Objective<data::ViewBatch>;
constexpr int64_t kGlobalPx = 15, kLocalPx = 10, kPatches = 9;

inline nn::EncoderSpec encoder(double drop_path = 0) {
  nn::EncoderSpec spec;
  spec.vit().img_size = {kGlobalPx, kGlobalPx};
  spec.vit().patch_size = 5;
  spec.vit().embed_dim = 12;
  spec.vit().depth = 2;
  spec.vit().num_heads = 2;
  spec.vit().mlp_hidden = 11;
  spec.vit().drop_path_rate = drop_path;
  return spec;
}

/// `globals` crops, then `locals` smaller ones.
inline data::ViewBatch batch(uint64_t seed, int64_t tiles = 3, int64_t globals = 2, int64_t locals = 2) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  data::ViewBatch b;
  for (int64_t v = 0; v < globals + locals; ++v) {
    const int64_t side = v < globals ? kGlobalPx : kLocalPx;
    b.views_BCHW.push_back(at::randn({tiles, 3, side, side}, generator, at::kDouble));
  }
  b.first_position = static_cast<int64_t>(seed) * tiles;
  b.ids.resize(static_cast<size_t>(tiles));
  return b;
}

/// Tiles [begin, begin + count) of a batch, with their masks where it has some.
inline data::ViewBatch part(const data::ViewBatch& whole, int64_t begin, int64_t count) {
  data::ViewBatch b;
  for (const Tensor& view : whole.views_BCHW) b.views_BCHW.push_back(view.narrow(0, begin, count));
  b.first_position = whole.first_position + begin;
  b.ids.resize(static_cast<size_t>(count));
  if (whole.masks_BN.defined()) {
    std::vector<Tensor> crops;
    for (const Tensor& crop : whole.masks_BN.chunk(2)) crops.push_back(crop.narrow(0, begin, count));
    b.masks_BN = at::cat(crops);
  }
  return b;
}

inline train::Progress at_step(int64_t step) {
  train::Progress p;
  p.step = step, p.steps = 10;
  return p;
}

/// Forward, backward, update: the loss.
inline double step(Method& method, optim::AdamW& adamw, int64_t k, const data::ViewBatch& views) {
  adamw.zero_grad();
  const train::Loss loss = method.forward(views, at_step(k));
  loss.total.backward();
  adamw.step({1e-2, 0.1, false, method.momentum(at_step(k))});
  method.after_update(at_step(k));
  return loss.total.item<double>();
}

inline TensorMap snapshot(Method& method) {
  TensorMap copy;
  for (const auto& [name, t] : method.state().tensors) copy.emplace(name, t.detach().clone());
  return copy;
}

inline TensorMap gradients(Method& method) {
  TensorMap grads;
  for (const auto& item : method.named_parameters())
    if (item.value().grad().defined()) grads.emplace(item.key(), item.value().grad().clone());
  return grads;
}

inline double part_of(const train::Loss& loss, const std::string& name) {
  for (const auto& [key, value] : loss.parts)
    if (key == name) return value.item<double>();
  ADD_FAILURE() << "no part " << name;
  return NAN;
}

/// Two steps, a copy of method and optimizer, and the third step of both: equal to the bit.
template <class Make>
void expect_resumes_bit_for_bit(const Make& make, int64_t globals, int64_t locals) {
  const auto straight = make(), resumed = make();
  const auto views = [&](int64_t k) { return batch(static_cast<uint64_t>(k), 3, globals, locals); };
  optim::AdamW a({}, straight->param_groups());
  a.add_averages(straight->averages());
  for (int64_t k = 0; k < 2; ++k) step(*straight, a, k, views(k));
  const State kept{snapshot(*straight), straight->state().values};
  State optimizer = a.state();
  for (auto& [name, t] : optimizer.tensors) t = t.clone();
  const double next = step(*straight, a, 2, views(2));

  optim::AdamW b({}, resumed->param_groups());
  b.add_averages(resumed->averages());
  resumed->load_state(kept);
  b.load_state(optimizer);
  ASSERT_EQ(step(*resumed, b, 2, views(2)), next);
  const TensorMap x = snapshot(*straight), y = snapshot(*resumed);
  for (const auto& [name, t] : x) ASSERT_TRUE(t.equal(y.at(name))) << name;
}

}  // namespace eosin::ssl::tiny
