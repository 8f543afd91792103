#include "core/nn/backbones.h"

#include "core/base/error.h"

namespace eosin::nn {
namespace {

const char* kVit = "Dosovitskiy 2021, arXiv:2010.11929";
const char* kDeit = "Touvron 2021, arXiv:2012.12877";
const char* kZhai = "Zhai 2022, arXiv:2106.04560";
const char* kDinov3 = "Simeoni 2025, arXiv:2508.10104";
const char* kShape = "Alabdulmohsin 2023, arXiv:2305.13035";
const char* kDinov2 = "Oquab 2023, arXiv:2304.07193";

VitConfig vit(int64_t width, int64_t depth, int64_t heads, int64_t hidden, const std::string& ffn = "mlp", std::optional<double> init_values = {}) {
  VitConfig c;
  c.embed_dim = width, c.depth = depth, c.num_heads = heads, c.mlp_hidden = hidden;
  c.ffn = ffn, c.init_values = init_values;
  return c;
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const BackboneRow& row : backbones()) names.push_back(row.name);
  return names;
}

}  // namespace

const std::vector<BackboneRow>& backbones() {
  static const std::vector<BackboneRow> rows = {
      {"vit_tiny", "ViT-Ti, 5.5 M parameters", kDeit, vit(192, 12, 3, 768), "vit_tiny_patch16_224"},
      {"vit_small", "ViT-S, 22 M parameters", kDeit, vit(384, 12, 6, 1536), "vit_small_patch16_224"},
      {"vit_base", "ViT-B, 86 M parameters", kVit, vit(768, 12, 12, 3072), "vit_base_patch16_224"},
      {"vit_large", "ViT-L, 303 M parameters", kVit, vit(1024, 24, 16, 4096), "vit_large_patch16_224"},
      {"vit_huge", "ViT-H, 631 M parameters", kVit, vit(1280, 32, 16, 5120), "vit_huge_patch14_224"},
      {"vit_giant", "timm's ViT-g, 1.0 G parameters", kZhai, vit(1408, 40, 16, 6144), "vit_giant_patch14_224"},
      {"vit_gigantic", "timm's ViT-G, 1.8 G parameters", kZhai, vit(1664, 48, 16, 8192), "vit_gigantic_patch14_224"},
      {"vit_giant2", "DINOv2's ViT-g: SwiGLU, LayerScale, 1.1 G parameters", kDinov2, vit(1536, 40, 24, 4096, "swiglu", 1e-5),
       "vit_giant_patch14_dinov2"},
      {"vit_so400m", "DINOv3's ViT of optimal shape, 18 heads, 0.4 G parameters", kDinov3, vit(1152, 27, 18, 4352, "mlp", 1e-5),
       "vit_huge_patch14_224"},
      {"vit_so400m_siglip", "timm's ViT of optimal shape, 16 heads, 0.4 G parameters", kShape, vit(1152, 27, 16, 4304), "vit_huge_patch14_224"},
      {"vit_huge2", "DINOv3's ViT-H+: SwiGLU, LayerScale, 0.8 G parameters", kDinov3, vit(1280, 32, 20, 5120, "swiglu", 1e-5),
       "vit_giant_patch14_dinov2"},
      {"vit_7b", "DINOv3's ViT-7B: SwiGLU, LayerScale, 6.7 G parameters", kDinov3, vit(4096, 40, 32, 8192, "swiglu", 1e-5),
       "vit_giant_patch14_dinov2"},
  };
  return rows;
}

const BackboneRow& backbone(const std::string& name) {
  for (const BackboneRow& row : backbones())
    if (row.name == name) return row;
  const auto near = config::nearest(name, names());
  fail(ErrorKind::Config, "[backbones] unknown backbone '{}'; {} (`eosin list backbone` prints all)", name,
       near ? fmt::format("did you mean '{}'?", *near) : fmt::format("known: {}", fmt::join(names(), ", ")));
}

void BackboneConfig::visit(config::Visitor& v) {
  v("name", name, "size of the vision transformer (`eosin list backbone`)", config::OneOf{names()});
  v("image_size_px", image_size_px, "side of the images that the position table is made for", config::Range{1, 8192});
  v("patch_size", patch_size, "side of a patch in pixels", config::Range{1, 256});
  v("reg_tokens", reg_tokens, "register tokens (Darcet 2023, arXiv:2309.16588)", config::Range{0, 64});
  v("qk_norm", qk_norm, "layer norm of queries and keys");
  v("init_values", init_values, "initial LayerScale; none as the backbone has it", config::Range{0, 10, config::kOpenLow});
  v("rope", rope, "rotary positions in place of learned ones");
  v("drop_path_rate", drop_path_rate, "stochastic depth of the student, by batch subset", config::Range{0, 1, config::kOpenHigh});
  v("drop_path_uniform", drop_path_uniform, "the same rate in every block; else from 0 linearly to the rate");
  v("grad_checkpointing", grad_checkpointing, "keep only the input of each block and compute the rest again in the backward pass: less memory");
  v("token_merge", token_merge, "merging of similar tokens, for methods that use class tokens or means alone");
  v("init", init, "weights to start from: safetensors or torch.save file, exported folder or run folder; empty: random");
  v("init_heads", init_heads, "init is a run of the same method: take its heads, centres and teacher too (a high-resolution stage)");
  v("allow_missing", allow_missing, "names of weights that the file of `init` may lack");
}

void BackboneConfig::validate(config::Problems& p) const {
  if (token_merge.method != "none" && drop_path_rate > 0)
    p.add("drop_path_rate", fmt::format("{} beside token_merge (need 0: a sequence that skips attention has no keys to compare)", drop_path_rate));
  if (init_heads && init.empty()) p.add("init_heads", "there is no run to take heads from; set model.init, too");
  if (token_merge.method != "none" && grad_checkpointing)
    p.add("grad_checkpointing", "not beside token_merge: what merges is not computed twice; leave one of them out");
  constexpr int64_t kMaxTokens = int64_t{1} << 20;  // attention alone would need 4 TB a head
  const int64_t side = image_size_px / patch_size;
  if (side * side > kMaxTokens)
    p.add("patch_size", fmt::format("{} px in patches of {} are {} tokens (need at most {})", image_size_px, patch_size, side * side, kMaxTokens));
  if (image_size_px % patch_size == 0) return;
  const int64_t smaller = image_size_px / patch_size * patch_size;
  p.add("image_size_px", fmt::format("{} is not a multiple of patch_size {}; nearest: {} or {}", image_size_px, patch_size,
                                     smaller > 0 ? smaller : patch_size, smaller + patch_size));
}

namespace {

VitConfig adapted(VitConfig vit, const BackboneConfig& config) {
  vit.img_size = {config.image_size_px, config.image_size_px};
  vit.patch_size = config.patch_size;
  if (config.init_values) vit.init_values = config.init_values;
  vit.qk_norm = config.qk_norm;
  vit.reg_tokens = config.reg_tokens;
  if (vit.reg_tokens > 0) vit.pos_embed_covers = "patches";
  vit.rope = config.rope;
  if (config.rope.enabled) {
    vit.pos_embed_covers = "none";
    vit.zero_k_bias = true;
  }
  vit.token_merge = config.token_merge;
  vit.drop_path_rate = config.drop_path_rate;
  vit.drop_path_uniform = config.drop_path_uniform;
  vit.grad_checkpointing = config.grad_checkpointing;
  return vit;
}

}  // namespace

ModelConfig make_model_config(const BackboneConfig& config) {
  const ModelConfig model = std::visit([&](const auto& row) -> ModelConfig { return adapted(row, config); }, backbone(config.name).model);
  check(model);
  return model;
}

}  // namespace eosin::nn
