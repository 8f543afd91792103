#include "ssl/frozen_dinov2.h"

#include "core/base/error.h"
#include "core/nn/encoder.h"
#include "core/nn/weights.h"
#include "core/tensor/checkpoint.h"

#include <ATen/ATen.h>

#include <filesystem>

namespace eosin::ssl {
namespace {

namespace fs = std::filesystem;
const std::string kTeacher = "teacher.";

Checkpoint open_run(const std::string& path) {
  EOSIN_CHECK(fs::exists(path), Io, "[method.frozen_teacher] no such folder: {}", path);
  if (fs::exists(fs::path(path) / "MANIFEST.json")) return load_checkpoint(path);
  const std::string folder = (fs::path(path) / "checkpoints").string();
  auto newest = fs::is_directory(folder) ? load_latest(folder) : std::nullopt;
  EOSIN_CHECK(newest, Data, "[method.frozen_teacher] {} holds no checkpoint of a run", path);
  return std::move(*newest);
}

TensorMap teacher_weights(const State& objective) {
  TensorMap weights;
  for (const auto& [name, tensor] : objective.tensors)
    if (name.starts_with(kTeacher)) weights.emplace(name.substr(kTeacher.size()), tensor);
  return weights;
}

/// The sizes of a head, as its weights have them.
struct HeadSize {
  int64_t hidden, bottleneck, prototypes;
};
HeadSize size_of(const TensorMap& weights, const std::string& head, const std::string& path) {
  const auto first = weights.find(head + ".mlp.0.weight");
  auto last = weights.find(head + ".last_layer.weight_v");
  if (last == weights.end()) last = weights.find(head + ".last_layer.weight");  // a plain head
  EOSIN_CHECK(first != weights.end() && last != weights.end(), Data, "[method.frozen_teacher] {} has no {}: it is no run of dinov2", path, head);
  return {first->second.size(0), last->second.size(1), last->second.size(0)};
}

void check_prototypes(const std::string& key, int64_t found, int64_t wanted, const std::string& path) {
  EOSIN_CHECK(found == wanted, Config, "[method.{}] {} prototypes, and the frozen teacher {} has {} (need the same)", key, wanted, path, found);
}

/// The student's config with the teacher's heads.
Dinov2Config with_heads_of(Dinov2Config config, const TensorMap& weights, const std::string& path) {
  const DinoHeadShape patches = config.separate_heads ? config.ibot_head(1) : config.dino_head(1);
  const HeadSize dino = size_of(weights, "dino_head", path);
  check_prototypes("n_prototypes", dino.prototypes, config.n_prototypes, path);
  config.hidden_dim = dino.hidden, config.bottleneck_dim = dino.bottleneck;
  config.plain_heads = weights.count("dino_head.last_layer.weight") > 0;
  const bool separate = weights.count("ibot_head.mlp.0.weight") > 0;
  const HeadSize ibot = separate ? size_of(weights, "ibot_head", path) : dino;
  check_prototypes("ibot_n_prototypes", ibot.prototypes, patches.n_prototypes, path);
  config.separate_heads = separate;
  config.ibot_hidden_dim = ibot.hidden, config.ibot_bottleneck_dim = ibot.bottleneck, config.ibot_n_prototypes = ibot.prototypes;
  return config;
}

}  // namespace

FrozenDinov2 load_frozen_dinov2(const std::string& path, const Dinov2Config& config, const nn::EncoderSpec& encoder) {
  const Checkpoint checkpoint = open_run(path);
  const State objective = checkpoint.state.part("task").part("objective");
  EOSIN_CHECK(objective.values.contains("encoder"), Data, "[method.frozen_teacher] {} holds no encoder", path);
  const nn::EncoderSpec spec = nn::encoder_spec_from_json(objective.values["encoder"], path);
  const TensorMap weights = teacher_weights(objective);
  FrozenDinov2 frozen;
  frozen.net = Dinov2Net(spec.vit(), with_heads_of(config, weights, path));
  nn::load_weights(*frozen.net, weights);
  for (Tensor& p : frozen.net->parameters()) p.set_requires_grad(false);
  frozen.identity = {path, nn::weights_hash(weights)};
  const int64_t side = encoder.vit().grid().rows * spec.vit().patch_size;
  frozen.view = TeacherView(spec, {side, {}, {}}, encoder, "method.frozen_teacher");
  return frozen;
}

}  // namespace eosin::ssl
