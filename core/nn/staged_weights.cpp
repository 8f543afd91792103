#include "core/nn/staged_weights.h"

#include "core/base/error.h"

#include <ATen/core/Tensor.h>

#include <cmath>
#include <regex>

namespace eosin::nn {
namespace {

bool has(const TensorMap& weights, const std::string& name) { return weights.count(name) > 0; }

/// A weight with the wanted number of axes, none of them empty.
const Tensor& shaped(const TensorMap& weights, const std::string& name, int64_t axes) {
  const auto it = weights.find(name);
  EOSIN_CHECK(it != weights.end(), Data, "[import] no weight '{}' among {}", name, weights.size());
  EOSIN_CHECK(it->second.dim() == axes && it->second.numel() > 0, Data, "[import] {} of shape [{}] (need {} axes)", name,
              fmt::join(it->second.sizes().vec(), ", "), axes);
  return it->second;
}

/// How many blocks "<before>0<after>", "<before>1<after>", ... there are.
int64_t count_blocks(const TensorMap& weights, const std::string& before, const std::string& after) {
  int64_t n = 0;
  while (has(weights, before + std::to_string(n) + after)) ++n;
  EOSIN_CHECK(n > 0, Data, "[import] no weight '{}0{}' among {}", before, after, weights.size());
  return n;
}

/// Renames, and drops what matches `no_encoder`.
void rename(ImportedWeights& imported, const std::vector<std::pair<std::regex, std::string>>& words, const std::regex& no_encoder) {
  TensorMap ours;
  for (const auto& [theirs, t] : imported.weights) {
    std::string name = theirs;
    for (const auto& [from, to] : words) name = std::regex_replace(name, from, to);
    if (std::regex_search(name, no_encoder))
      imported.dropped.push_back(theirs);
    else
      ours.emplace(name, t);
  }
  imported.weights = std::move(ours);
}

std::vector<int64_t> size_of(const ImportTarget& target) {
  if (!target.img_size.empty()) return target.img_size;
  return target.source_size.empty() ? std::vector<int64_t>{224, 224} : target.source_size;
}

void take_resnet(ImportedWeights& imported) {
  rename(imported, {}, std::regex(R"(^(fc|head)\.)"));
  const TensorMap& weights = imported.weights;
  ResNetConfig config;
  const Tensor& stem = shaped(weights, "conv1.weight", 4);
  config.width = stem.size(0), config.in_chans = stem.size(1);
  config.block = has(weights, "layer1.0.conv3.weight") ? "bottleneck" : "basic";
  for (size_t i = 0; i < 4; ++i) config.depths[i] = count_blocks(weights, fmt::format("layer{}.", i + 1), ".conv1.weight");
  imported.model = config;
}

void take_convnext(ImportedWeights& imported) {
  rename(imported,
         {{std::regex(R"(^downsample_layers\.0\.)"), "stem."},
          {std::regex(R"(^downsample_layers\.(\d+)\.)"), "stages.$1.downsample."},
          {std::regex(R"(^stages\.(\d+)\.(\d+)\.)"), "stages.$1.blocks.$2."},
          {std::regex(R"(\.dwconv\.)"), ".conv_dw."},
          {std::regex(R"(\.pwconv([12])\.)"), ".mlp.fc$1."},
          {std::regex(R"(^norm\.)"), "head.norm."}},
         std::regex(R"(^(head\.(fc\.|weight|bias)|norms\.|projectors\.))"));
  const TensorMap& weights = imported.weights;
  ConvNextConfig config;
  config.in_chans = shaped(weights, "stem.0.weight", 4).size(1);
  for (size_t i = 0; i < 4; ++i) {
    const std::string blocks = fmt::format("stages.{}.blocks.", i);
    config.depths[i] = count_blocks(weights, blocks, ".conv_dw.weight");
    config.dims[i] = shaped(weights, blocks + "0.conv_dw.weight", 4).size(0);
  }
  imported.model = config;
}

/// Side of a square window, of a table with (2 side - 1)^2 rows.
int64_t window_of(const Tensor& table) {
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(table.size(0)))));
  EOSIN_CHECK(side * side == table.size(0) && side % 2 == 1, Data, "[import] a table of {} relative positions is of no square window", table.size(0));
  return (side + 1) / 2;
}

void take_swin(ImportedWeights& imported) {
  const bool convstem = has(imported.weights, "patch_embed.proj.0.weight"), early = has(imported.weights, "layers.0.downsample.reduction.weight");
  std::vector<std::pair<std::regex, std::string>> words;
  for (int64_t i = 2; early && i >= 0; --i)  // the authors shrink at the end of a stage, timm at the beginning of the next
    words.emplace_back(std::regex(fmt::format(R"(^layers\.{}\.downsample\.)", i)), fmt::format("layers.{}.downsample.", i + 1));
  rename(imported, words, std::regex(R"((^head\.|relative_position_index$|attn_mask$))"));
  const TensorMap& weights = imported.weights;
  SwinConfig config;
  config.stem = convstem ? "conv" : "patch";
  const Tensor& first = shaped(weights, convstem ? "patch_embed.proj.0.weight" : "patch_embed.proj.weight", 4);
  config.in_chans = first.size(1);
  config.embed_dim = shaped(weights, "patch_embed.norm.weight", 1).size(0);
  for (size_t i = 0; i < 4; ++i) {
    const std::string blocks = fmt::format("layers.{}.blocks.", i), table = "attn.relative_position_bias_table";
    config.depths[i] = count_blocks(weights, blocks, "." + table);
    config.num_heads[i] = shaped(weights, blocks + "0." + table, 2).size(1);
    if (i == 0) config.window = window_of(weights.at(blocks + "0." + table));
  }
  imported.model = config;
}

constexpr const char* kSwinTable = "layers.0.blocks.0.attn.relative_position_bias_table";

}  // namespace

const std::vector<StagedOrigin>& staged_origins() {
  static const std::vector<StagedOrigin> rows = {
      {"timm_resnet", "timm's and torchvision's ResNet", "He 2016, arXiv:1512.03385",
       [](const TensorMap& w) { return has(w, "layer1.0.conv1.weight"); }, take_resnet},
      {"timm_convnext", "timm's ConvNeXt", "Wightman, timm", [](const TensorMap& w) { return has(w, "stages.0.blocks.0.conv_dw.weight"); },
       take_convnext},
      {"convnext", "ConvNeXt's own code, and DINOv3's", "Liu 2022, arXiv:2201.03545",
       [](const TensorMap& w) { return has(w, "stages.0.0.dwconv.weight"); }, take_convnext},
      {"ctranspath", "CTransPath's own code: Swin with a ConvStem", "Wang 2022, Med. Image Anal. 81",
       [](const TensorMap& w) { return has(w, kSwinTable) && has(w, "patch_embed.proj.0.weight"); }, take_swin},
      {"swin", "Swin's own code", "Liu 2021, arXiv:2103.14030",
       [](const TensorMap& w) { return has(w, kSwinTable) && has(w, "layers.0.downsample.reduction.weight"); }, take_swin},
      {"timm_swin", "timm's Swin", "Wightman, timm", [](const TensorMap& w) { return has(w, kSwinTable); }, take_swin},
  };
  return rows;
}

std::optional<ImportedWeights> convert_staged(const TensorMap& source, const ImportTarget& target) {
  ImportedWeights imported;
  imported.weights = source;
  unwrap(imported.weights, imported.dropped);
  for (const StagedOrigin& origin : staged_origins()) {
    if (!origin.recognises(imported.weights)) continue;
    imported.origin = origin.name;
    origin.take(imported);
    set_image_size(imported.model, size_of(target));
    check(imported.model);
    return imported;
  }
  return std::nullopt;
}

}  // namespace eosin::nn
