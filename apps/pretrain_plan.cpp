#include "apps/pretrain_plan.h"

#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/tensor/device.h"
#include "data/tile_store.h"

namespace eosin::apps {
namespace {

constexpr int64_t kFloat = 4;

/// Elements that the backward pass of one transformer block needs of each token: two norms, q, k, v, attention, two residuals,
/// and the feed-forward network's input and activation.
int64_t kept_per_token(const nn::VitConfig& vit) { return 10 * vit.embed_dim + 2 * vit.mlp_hidden; }

int64_t tokens(const nn::VitConfig& vit, int64_t size) {
  const int64_t side = size / vit.patch_size;
  return side * side + vit.prefix_tokens();
}

}  // namespace

MemoryPlan predict_memory(const PretrainConfig& config, int64_t micro_batch) {
  const nn::VitConfig vit = nn::make_vit_config(config.model);
  const data::MultiCropConfig views = config.views();
  const auto objective = ssl::make_objective(config.method, {config.model, views.mean, views.std, 0, make_single_comm()});
  MemoryPlan plan;
  for (const auto& group : objective->param_groups())
    for (const auto& param : group.params) plan.parameters += param.numel();
  int64_t stored = 0;
  for (const auto& [name, tensor] : objective->state().tensors) stored += static_cast<int64_t>(tensor.nbytes());
  plan.weights_bytes = stored + 3 * kFloat * plan.parameters;  // a gradient and two moments each
  const int64_t per_image = views.n_global * tokens(vit, views.global_size()) + views.n_local * tokens(vit, views.local_size());
  const int64_t element = config.train.precision == "bf16" ? 2 : kFloat;
  plan.activation_bytes = micro_batch * per_image * vit.depth * kept_per_token(vit) * element;
  return plan;
}

nlohmann::ordered_json plan_of(const PretrainConfig& config, int world) {
  PretrainConfig copy = config;
  const data::TileStore store(config.data.store);
  const int64_t micro_batch = config.train.micro_batch(world), steps = config.train.total_steps();
  const MemoryPlan memory = predict_memory(config, micro_batch);
  nlohmann::ordered_json plan;
  plan["config"] = config::to_json(config::visit_of(copy));
  plan["tiles"] = store.n_tiles();
  plan["steps"] = steps;
  plan["samples"] = steps * config.train.batch_size;
  plan["passes_over_the_tiles"] = static_cast<double>(steps * config.train.batch_size) / static_cast<double>(store.n_tiles());
  plan["ranks"] = world;
  plan["micro_batch"] = micro_batch;
  plan["views"] = data::describe(config.views());
  plan["parameters"] = memory.parameters;
  const int64_t needed = memory.weights_bytes + memory.activation_bytes;
  plan["predicted_memory_bytes"] = needed;
  if (const uint64_t there = machine().memory_bytes;
      (config.run.device == "cpu" || device::cuda().devices == 0) && static_cast<uint64_t>(needed) > there)
    log::warn("[pretrain] the step needs about {} GB and this machine has {}; lower train.batch_size or raise train.accumulate",
              needed / 1'000'000'000, there / 1'000'000'000);
  plan["predicted_memory"] = {{"weights_gradients_moments_teacher", memory.weights_bytes}, {"activations", memory.activation_bytes}};
  return plan;
}

}  // namespace eosin::apps
