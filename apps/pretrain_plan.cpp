#include "apps/pretrain_plan.h"

#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/tensor/device.h"
#include "data/store_source.h"
#include "data/tile_order.h"
#include "data/tiler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

namespace eosin::apps {
namespace {

constexpr int64_t kFloat = 4;

}  // namespace

MemoryPlan predict_memory(const PretrainConfig& config, int64_t micro_batch, const data::ClassList& classes) {
  const nn::ModelConfig model = nn::make_model_config(config.model);
  const data::MultiCropConfig views = config.views();
  ssl::Ingredients with{config.model, views.mean, views.std, 0, make_single_comm(), classes, {}};
  if (config.data.store.size() == 1) with.store = std::make_shared<const data::TileStore>(config.data.store.front());
  const auto objective = ssl::make_objective(config.method, with);
  MemoryPlan plan;
  for (const auto& group : objective->param_groups())
    for (const auto& param : group.params) plan.parameters += param.numel();
  for (const auto& item : objective->named_parameters()) plan.has_teacher |= item.key().starts_with("teacher.");
  int64_t stored = 0;
  for (const auto& list : {objective->parameters(), objective->buffers()})  // frozen teachers, too
    for (const Tensor& tensor : list) stored += static_cast<int64_t>(tensor.nbytes());
  plan.weights_bytes = stored + 3 * kFloat * plan.parameters;  // a gradient and two moments each
  const auto kept = [&](int64_t size) { return nn::kept_elements(model, size, size); };
  const int64_t per_image = views.n_global * kept(views.global_size()) + views.n_local * kept(views.local_size());
  const int64_t element = config.train.precision == "bf16" ? 2 : kFloat;
  plan.activation_bytes = micro_batch * per_image * element;
  return plan;
}

std::optional<double> encoder_flops(const PretrainConfig& config, bool has_teacher) {
  const nn::ModelConfig model = nn::make_model_config(config.model);
  if (!std::holds_alternative<nn::VitConfig>(model)) return {};
  const auto& vit = std::get<nn::VitConfig>(model);
  const data::MultiCropConfig views = config.views();
  const auto dim = static_cast<double>(vit.embed_dim), hidden = static_cast<double>(vit.mlp_hidden);
  const double of_mlp = vit.ffn == "swiglu" ? 3 * dim * hidden : 2 * dim * hidden;
  const auto forward = [&](int64_t size) {
    const int64_t side = size / vit.patch_size;
    const auto patches = static_cast<double>(side * side), t = patches + static_cast<double>(vit.prefix_tokens());
    const double embed = patches * static_cast<double>(vit.in_chans * vit.patch_size * vit.patch_size) * dim;
    return 2 * (embed + static_cast<double>(vit.depth) * (t * (4 * dim * dim + of_mlp) + 2 * t * t * dim));
  };
  const double global = static_cast<double>(views.n_global) * forward(views.global_size());
  const double local = views.n_local > 0 ? static_cast<double>(views.n_local) * forward(views.local_size()) : 0;
  return 3 * (global + local) + (has_teacher ? global : 0);
}

namespace {

/// Floating-point operations a second of a matrix product in the run's precision, the best of a few.
double matmul_rate(const PretrainConfig& config) {
  const bool on_gpu = config.run.device != "cpu" && device::cuda().available;
  const c10::Device device(on_gpu ? c10::kCUDA : c10::kCPU);
  const int64_t n = on_gpu ? 8192 : 1024;
  const auto type = config.train.precision == "bf16" && on_gpu ? at::kBFloat16 : at::kFloat;
  const Tensor a = at::ones({n, n}, at::TensorOptions(device).dtype(type));
  double best = 0;
  for (int repeat = 0; repeat < 4; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    at::matmul(a, a)[0][0].item();  // waits for the device
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2.0 * static_cast<double>(n * n * n) / seconds);
  }
  return best;
}

/// What is known of slides before any is looked at closely.
void plan_slides(const PretrainConfig& config, nlohmann::ordered_json& plan) {
  data::TileConfig tiling;
  tiling.slides = config.data.online.slides;
  tiling.tile.size_px = config.data.online.tile.size_px;
  tiling.tile.mpp = config.data.online.tile.finest();
  tiling.tile.allow_upsample = config.data.online.tile.allow_upsample;
  tiling.assume_mpp = config.data.online.assume_mpp;
  const data::TilingAmounts amounts = data::measure_tiling(tiling);
  plan["slides"] = amounts.slides;
  plan["slides_readable"] = amounts.readable;
  plan["tiles_at_most"] = amounts.grid_tiles;  // tissue is looked for when the run starts
}

/// The tiles that are drawn from, and their classes where labels are named.
std::shared_ptr<const data::TileSource> stored_tiles(const PretrainConfig& config, data::ClassList& classes) {
  const auto stores = std::make_shared<data::StoreSource>(config.data.store);
  if (config.data.labels.column.empty()) return stores;
  const auto labelled = std::make_shared<data::LabelledSource>(stores, config.data.labels);
  classes = labelled->classes();
  return labelled;
}

void plan_store(const PretrainConfig& config, const data::TileSource& source, int64_t samples, nlohmann::ordered_json& plan) {
  const data::TileOrder order(config.data.loader.order, source, static_cast<uint64_t>(config.run.seed));
  plan["tiles"] = source.n_tiles();
  plan["passes_over_the_tiles"] = static_cast<double>(samples) / static_cast<double>(source.n_tiles());
  if (order.quotas().empty()) return;
  uint64_t round = 0;
  for (const auto& q : order.quotas()) round += q.quota;
  plan["quota_round"] = round;
  plan["quotas"] = nlohmann::ordered_json::array();
  for (const auto& q : order.quotas()) {
    const double drawn = static_cast<double>(samples) * static_cast<double>(q.quota) / static_cast<double>(round);
    plan["quotas"].push_back(
        {{"group", q.name}, {"tiles", q.tiles}, {"quota", q.quota}, {"passes", q.tiles > 0 ? drawn / static_cast<double>(q.tiles) : 0}});
  }
}

}  // namespace

nlohmann::ordered_json plan_of(const PretrainConfig& config, int world) {
  PretrainConfig copy = config;
  const int64_t micro_batch = config.train.micro_batch(world), steps = config.train.total_steps();
  data::ClassList classes;
  std::shared_ptr<const data::TileSource> tiles;
  if (!config.data.from_slides()) tiles = stored_tiles(config, classes);
  const MemoryPlan memory = predict_memory(config, micro_batch, classes);
  nlohmann::ordered_json plan;
  plan["config"] = config::to_json(config::visit_of(copy));
  if (tiles)
    plan_store(config, *tiles, steps * config.train.batch_size, plan);
  else
    plan_slides(config, plan);
  if (classes.size() > 0) plan["classes"] = classes.names;
  plan["steps"] = steps;
  plan["samples"] = steps * config.train.batch_size;
  plan["ranks"] = world;
  plan["micro_batch"] = micro_batch;
  if (const auto of_tile = encoder_flops(config, memory.has_teacher)) {
    const double flops = *of_tile * static_cast<double>(steps * config.train.batch_size), rate = matmul_rate(config);
    plan["predicted_time"] = {
        {"encoder_flops", flops}, {"matmul_flops_per_second_here", rate}, {"hours_at_least", flops / rate / 3600 / static_cast<double>(world)}};
  }
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
