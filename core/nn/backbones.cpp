#include "core/nn/backbones.h"

#include "core/base/error.h"

namespace eosin::nn {
namespace {

const char* kVit = "Dosovitskiy 2021, arXiv:2010.11929";
const char* kDeit = "Touvron 2021, arXiv:2012.12877";
const char* kZhai = "Zhai 2022, arXiv:2106.04560";
const char* kDinov3 = "Simeoni 2025, arXiv:2508.10104";
const char* kShape = "Alabdulmohsin 2023, arXiv:2305.13035";
const char* kResNet = "He 2016, arXiv:1512.03385";
const char* kConvNext = "Liu 2022, arXiv:2201.03545";
const char* kSwin = "Liu 2021, arXiv:2103.14030";
const char* kCTransPath = "Wang 2022, Med. Image Anal. 81";
const char* kDinov2 = "Oquab 2023, arXiv:2304.07193";

VitConfig vit(int64_t width, int64_t depth, int64_t heads, int64_t hidden, const std::string& ffn = "mlp", std::optional<double> init_values = {}) {
  VitConfig c;
  c.embed_dim = width, c.depth = depth, c.num_heads = heads, c.mlp_hidden = hidden;
  c.ffn = ffn, c.init_values = init_values;
  return c;
}

ResNetConfig resnet(const std::string& block, std::vector<int64_t> depths) {
  ResNetConfig c;
  c.block = block, c.depths = std::move(depths);
  return c;
}

ConvNextConfig convnext(std::vector<int64_t> depths, int64_t width) {
  ConvNextConfig c;
  c.depths = std::move(depths), c.dims = {width, 2 * width, 4 * width, 8 * width};
  return c;
}

SwinConfig swin(const std::string& stem) {
  SwinConfig c;
  c.stem = stem;
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
      {"resnet18", "ResNet-18, 11 M parameters", kResNet, resnet("basic", {2, 2, 2, 2}), "resnet18"},
      {"resnet34", "ResNet-34, 21 M parameters", kResNet, resnet("basic", {3, 4, 6, 3}), "resnet34"},
      {"resnet50", "ResNet-50, 24 M parameters", kResNet, resnet("bottleneck", {3, 4, 6, 3}), "resnet50"},
      {"resnet101", "ResNet-101, 43 M parameters", kResNet, resnet("bottleneck", {3, 4, 23, 3}), "resnet101"},
      {"convnext_tiny", "ConvNeXt-T, 28 M parameters", kConvNext, convnext({3, 3, 9, 3}, 96), "convnext_tiny"},
      {"convnext_small", "ConvNeXt-S, 49 M parameters", kConvNext, convnext({3, 3, 27, 3}, 96), "convnext_small"},
      {"convnext_base", "ConvNeXt-B, 88 M parameters", kConvNext, convnext({3, 3, 27, 3}, 128), "convnext_base"},
      {"convnext_large", "ConvNeXt-L, 196 M parameters", kConvNext, convnext({3, 3, 27, 3}, 192), "convnext_large"},
      {"swin_tiny", "Swin-T, windows of 7, 28 M parameters", kSwin, swin("patch"), "swin_tiny_patch4_window7_224"},
      {"swin_tiny_convstem", "CTransPath's Swin-T with a ConvStem, 28 M parameters", kCTransPath, swin("conv"), ""},
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
  v("name", name, "the network and its size (`eosin list backbone`)", config::OneOf{names()});
  v("image_size_px", image_size_px, "side of the images that it is made for", config::Range{1, 8192});
  v("patch_size", patch_size, "side of a patch of a vision transformer in pixels", config::Range{1, 256});
  v("reg_tokens", reg_tokens, "register tokens (Darcet 2023, arXiv:2309.16588)", config::Range{0, 64});
  v("qk_norm", qk_norm, "layer norm of queries and keys");
  v("init_values", init_values, "initial LayerScale; none as the backbone has it", config::Range{0, 10, config::kOpenLow});
  v("rope", rope, "rotary positions in place of learned ones");
  v("drop_path_rate", drop_path_rate, "stochastic depth of the student, by batch subset; none: 0.1, 0 with token_merge, and a ResNet has none",
    config::Range{0, 1, config::kOpenHigh});
  v("drop_path_uniform", drop_path_uniform, "the same rate in every block; else from 0 linearly to the rate");
  v("grad_checkpointing", grad_checkpointing, "keep only the input of each block and compute the rest again in the backward pass: less memory");
  v("token_merge", token_merge, "merging of similar tokens, for methods that use class tokens or means alone");
  v("init", init, "weights to start from: safetensors or torch.save file, exported folder or run folder; empty: random");
  v("init_heads", init_heads, "init is a run of the same method: take its heads, centres and teacher too (a high-resolution stage)");
  v("allow_missing", allow_missing, "names of weights that the file of `init` may lack");
}

const BackboneRow* row_of(const BackboneConfig& config) {
  for (const BackboneRow& row : backbones())
    if (row.name == config.name) return &row;
  return nullptr;
}

int64_t size_multiple(const BackboneConfig& config) {
  const BackboneRow* row = row_of(config);
  return !row || std::holds_alternative<VitConfig>(row->model) ? config.patch_size : size_multiple(row->model);
}

int64_t least_size(const BackboneConfig& config) {
  const BackboneRow* row = row_of(config);
  return !row || std::holds_alternative<VitConfig>(row->model) ? config.patch_size : least_size(row->model);
}

namespace {

/// Rules of a vision transformer.
void check_vit(const BackboneConfig& c, config::Problems& p) {
  if (c.token_merge.method != "none" && c.grad_checkpointing)
    p.add("grad_checkpointing", "not beside token_merge: what merges is not computed twice; leave one of them out");
  if (c.token_merge.method != "none" && c.drop_path_rate.value_or(0) > 0)
    p.add("drop_path_rate", fmt::format("{} beside token_merge (need 0: a sequence that skips attention has no keys to compare)", *c.drop_path_rate));
  constexpr int64_t kMaxTokens = int64_t{1} << 20;  // attention alone would need 4 TB a head
  const int64_t side = c.image_size_px / c.patch_size;
  if (side * side > kMaxTokens)
    p.add("patch_size",
          fmt::format("{} px in patches of {} are {} tokens (need at most {})", c.image_size_px, c.patch_size, side * side, kMaxTokens));
}

/// What only a vision transformer has, said of another.
void check_no_vit(const BackboneConfig& c, const ModelConfig& model, config::Problems& p) {
  const auto refuse = [&](bool said, const char* key) {
    if (said) p.add(key, fmt::format("{} is a {} and has none; leave it out", c.name, family_of(model)));
  };
  refuse(c.reg_tokens > 0, "reg_tokens");
  refuse(c.qk_norm, "qk_norm");
  refuse(c.rope.enabled, "rope.enabled");
  refuse(c.token_merge.method != "none", "token_merge.method");
  refuse(c.grad_checkpointing, "grad_checkpointing");
  refuse(c.init_values.has_value() && !std::holds_alternative<ConvNextConfig>(model), "init_values");
  refuse(c.drop_path_rate.value_or(0) > 0 && std::holds_alternative<ResNetConfig>(model), "drop_path_rate");
  if (c.image_size_px < least_size(model))
    p.add("image_size_px", fmt::format("{} is too small for {} (need at least {})", c.image_size_px, c.name, least_size(model)));
}

}  // namespace

void BackboneConfig::validate(config::Problems& p) const {
  if (init_heads && init.empty()) p.add("init_heads", "there is no run to take heads from; set model.init, too");
  const BackboneRow* row = row_of(*this);
  if (!row) return;
  if (std::holds_alternative<VitConfig>(row->model))
    check_vit(*this, p);
  else
    check_no_vit(*this, row->model, p);
  const int64_t multiple = size_multiple(*this), smaller = image_size_px / multiple * multiple;
  if (image_size_px % multiple != 0)
    p.add("image_size_px", fmt::format("{} is not a multiple of {}{}; nearest: {} or {}", image_size_px,
                                       std::holds_alternative<VitConfig>(row->model) ? "patch_size " : "", multiple, smaller > 0 ? smaller : multiple,
                                       smaller + multiple));
}

namespace {

template <class Model>
void add_drop_path(Model& model, const BackboneConfig& config) {
  model.drop_path_rate = drop_path_rate(config);
  model.drop_path_uniform = config.drop_path_uniform;
}

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
  vit.grad_checkpointing = config.grad_checkpointing;
  add_drop_path(vit, config);
  return vit;
}

ResNetConfig adapted(ResNetConfig resnet, const BackboneConfig& config) {
  resnet.img_size = {config.image_size_px, config.image_size_px};
  return resnet;
}

ConvNextConfig adapted(ConvNextConfig convnext, const BackboneConfig& config) {
  convnext.img_size = {config.image_size_px, config.image_size_px};
  if (config.init_values) convnext.init_values = *config.init_values;
  add_drop_path(convnext, config);
  return convnext;
}

SwinConfig adapted(SwinConfig swin, const BackboneConfig& config) {
  swin.img_size = {config.image_size_px, config.image_size_px};
  add_drop_path(swin, config);
  return swin;
}

}  // namespace

double drop_path_rate(const BackboneConfig& config) {
  const BackboneRow* row = row_of(config);
  const bool none = config.token_merge.method != "none" || (row && std::holds_alternative<ResNetConfig>(row->model));
  return config.drop_path_rate.value_or(none ? 0 : 0.1);
}

ModelConfig make_model_config(const BackboneConfig& config) {
  const ModelConfig model = std::visit([&](const auto& row) -> ModelConfig { return adapted(row, config); }, backbone(config.name).model);
  check(model);
  return model;
}

}  // namespace eosin::nn
