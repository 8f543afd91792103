#include "core/nn/presets.h"

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/nn/backbones.h"

#include <fmt/ranges.h>

namespace eosin::nn {
namespace {

/// Pixels in [0, 1] -> what a model expects.
struct Pixels {
  std::vector<double> mean, std;
};
const Pixels kImageNet{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
const Pixels kHalf{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
const Pixels kClip{{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}};
const Pixels kHOptimus{{0.707223, 0.578729, 0.703617}, {0.211883, 0.230117, 0.177517}};
const Pixels kHibou{{0.7068, 0.5755, 0.722}, {0.195, 0.2316, 0.1816}};
const Pixels kLunit{{0.70322989, 0.53606487, 0.66096631}, {0.21716536, 0.26081574, 0.20723464}};

EncoderSpec images(ModelConfig model, const Pixels& pixels, const std::string& interpolation = "bicubic", double crop_pct = 1.0) {
  constexpr int64_t kShown = 224;  // by all of them, also where positions were made for 518
  const int64_t shown = image_size(model)[0] == kShown ? 0 : kShown;
  return {std::move(model), pixels.mean, pixels.std, interpolation, crop_pct, shown};
}

/// A row of the table of backbones at a patch size.
VitConfig vit(const std::string& name, int64_t patch_size, int64_t image_size = 224) {
  BackboneConfig config;
  config.name = name;
  config.patch_size = patch_size;
  config.image_size_px = image_size;
  VitConfig made = vit_of(make_model_config(config));
  made.drop_path_rate = 0;
  return made;
}
VitConfig scaled(VitConfig vit) {
  vit.init_values = 1e-5;
  return vit;
}
VitConfig registers(VitConfig vit, int64_t count, const std::string& pos_embed_covers = "patches") {
  vit.reg_tokens = count;
  vit.pos_embed_covers = pos_embed_covers;
  return vit;
}
VitConfig gated(VitConfig vit, int64_t hidden) {
  vit.ffn = "swiglu";
  vit.mlp_hidden = hidden;
  return vit;
}
VitConfig deep(VitConfig vit, int64_t depth) {
  vit.depth = depth;
  return vit;
}
VitConfig class_and_mean(VitConfig vit) {
  vit.global_pool = "token_avg";
  return vit;
}

VitConfig attention_pooled(VitConfig vit, int64_t dim) {
  vit.global_pool = "attention";
  vit.attention_pool.dim = dim;
  return vit;
}
SwinConfig ctranspath() {
  SwinConfig swin;
  swin.stem = "conv";
  return swin;
}

std::string describe(const SwinConfig& c) {
  return fmt::format("Swin of width {}, depths {}, heads {}, windows of {}, stem {}", c.embed_dim, fmt::join(c.depths, " "),
                     fmt::join(c.num_heads, " "), c.window, c.stem);
}
std::string describe(const ResNetConfig& c) {
  return fmt::format("ResNet of width {}, depths {}, {} blocks", c.width, fmt::join(c.depths, " "), c.block);
}
std::string describe(const ConvNextConfig& c) {
  return fmt::format("ConvNeXt of widths {}, depths {}", fmt::join(c.dims, " "), fmt::join(c.depths, " "));
}
std::string describe(const VitConfig& c) {
  return fmt::format("width {}, depth {}, {} {}, patch {}, image {}, {} registers, positions of {}, {}", c.embed_dim, c.depth, c.ffn, c.mlp_hidden,
                     c.patch_size, fmt::join(c.img_size, "x"), c.reg_tokens, c.reg_tokens > 0 ? c.pos_embed_covers : "all",
                     c.init_values ? "LayerScale" : "no LayerScale") +
         (c.global_pool == "attention" ? fmt::format(", attention pooling to {}", c.attention_pool.dim) : "");
}
std::string describe(const ModelConfig& model) {
  return std::visit([](const auto& c) { return describe(c); }, model);
}

}  // namespace

const std::vector<PresetRow>& presets() {
  static const std::vector<PresetRow> rows = {
      {"uni", "UNI: ViT-L/16, DINOv2, 100 k slides; class token, 1024", "Chen 2024, Nat. Med. 30",
       images(scaled(vit("vit_large", 16)), kImageNet, "bilinear")},
      {"uni2_h", "UNI2-h: ViT-H/14 of width 1536, 8 registers; class token, 1536", "Chen 2024, Nat. Med. 30",
       images(registers(deep(vit("vit_giant2", 14), 24), 8), kImageNet, "bilinear")},
      {"virchow", "Virchow: ViT-H/14, DINOv2, 1.5 M slides; class token and mean, 2560", "Vorontsov 2024, Nat. Med. 30",
       images(class_and_mean(gated(scaled(vit("vit_huge", 14)), 3416)), kImageNet)},
      {"virchow2", "Virchow2: ViT-H/14, 4 registers, 3.1 M slides; class token and mean, 2560", "Zimmermann 2024, arXiv:2408.00738",
       images(class_and_mean(registers(gated(scaled(vit("vit_huge", 14)), 3416), 4, "all")), kImageNet)},
      {"h_optimus_0", "H-optimus-0: ViT-g/14, 4 registers, 500 k slides; class token, 1536", "Saillard 2024, Bioptimus",
       images(registers(vit("vit_giant2", 14), 4), kHOptimus)},
      {"h_optimus_1", "H-optimus-1: ViT-g/14, 4 registers, 1 M slides; class token, 1536", "Bioptimus 2025",
       images(registers(vit("vit_giant2", 14), 4), kHOptimus)},
      {"prov_gigapath", "Prov-GigaPath's tile encoder: ViT-g/16, 171 k slides; class token, 1536", "Xu 2024, Nature 630",
       images(vit("vit_giant2", 16), kImageNet, "bicubic", 0.875)},
      {"phikon", "Phikon: ViT-B/16, iBOT, 6 k slides; class token, 768", "Filiot 2023, medRxiv 2023.07.21.23292757",
       images(vit("vit_base", 16), kImageNet, "bilinear")},
      {"phikon_v2", "Phikon-v2: ViT-L/16, DINOv2, 58 k slides; class token, 1024", "Filiot 2024, arXiv:2409.09173",
       images(scaled(vit("vit_large", 16)), kImageNet)},
      {"hibou_b", "Hibou-B: ViT-B/14, 4 registers, 1.1 M slides; class token, 768", "Nechaev 2024, arXiv:2406.05074",
       images(registers(gated(scaled(vit("vit_base", 14)), 2048), 4), kHibou)},
      {"hibou_l", "Hibou-L: ViT-L/14, 4 registers, 1.1 M slides; class token, 1024", "Nechaev 2024, arXiv:2406.05074",
       images(registers(gated(scaled(vit("vit_large", 14)), 2736), 4), kHibou)},
      {"midnight", "Midnight-12k: ViT-g/14 made for 518 px, shown 224; class token and mean, 3072", "Karasikov 2025, arXiv:2504.05186",
       images(class_and_mean(vit("vit_giant2", 14, 518)), kHalf, "bilinear")},
      {"gpfm", "GPFM: ViT-L/14, distilled from experts, 72 k slides; class token, 1024", "Ma 2024, arXiv:2407.18449",
       images(scaled(vit("vit_large", 14)), kImageNet)},
      {"kaiko_s16", "kaiko ViT-S/16, DINO on TCGA; class token, 384", "Aben 2024, arXiv:2404.15217", images(vit("vit_small", 16), kHalf, "bilinear")},
      {"kaiko_s8", "kaiko ViT-S/8, DINO on TCGA; class token, 384", "Aben 2024, arXiv:2404.15217", images(vit("vit_small", 8), kHalf, "bilinear")},
      {"kaiko_b16", "kaiko ViT-B/16, DINO on TCGA; class token, 768", "Aben 2024, arXiv:2404.15217", images(vit("vit_base", 16), kHalf, "bilinear")},
      {"kaiko_b8", "kaiko ViT-B/8, DINO on TCGA; class token, 768", "Aben 2024, arXiv:2404.15217", images(vit("vit_base", 8), kHalf, "bilinear")},
      {"kaiko_l14", "kaiko ViT-L/14 made for 518 px, 4 registers, DINOv2 on TCGA; class token, 1024", "Aben 2024, arXiv:2404.15217",
       images(registers(scaled(vit("vit_large", 14, 518)), 4), kHalf, "bilinear")},
      {"ctranspath", "CTransPath: Swin-T with a ConvStem, contrast on TCGA and PAIP; mean token, 768", "Wang 2022, Med. Image Anal. 81",
       images(ctranspath(), kImageNet, "bilinear")},
      {"conch",
       "CONCH's image tower: ViT-B/16 at 448 px; attention pooling before the projection, 512",
       "Lu 2024, Nat. Med. 30",
       {attention_pooled(vit("vit_base", 16, 448), 512), kClip.mean, kClip.std}},
      {"lunit_s16", "Lunit ViT-S/16, DINO on TCGA and TULIP; class token, 384", "Kang 2023, arXiv:2212.04690", images(vit("vit_small", 16), kLunit)},
      {"lunit_s8", "Lunit ViT-S/8, DINO on TCGA and TULIP; class token, 384", "Kang 2023, arXiv:2212.04690", images(vit("vit_small", 8), kLunit)},
  };
  return rows;
}

const PresetRow& preset(const std::string& name) {
  std::vector<std::string> names;
  for (const PresetRow& row : presets()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  const auto near = config::nearest(name, names);
  fail(ErrorKind::Config, "[presets] unknown preset '{}'; {} (`eosin list preset` prints all)", name,
       near ? fmt::format("did you mean '{}'?", *near) : fmt::format("known: {}", fmt::join(names, ", ")));
}

ImportTarget import_target_of(const PresetRow& row) {
  ImportTarget target;
  target.source_size = image_size(row.spec.model);
  const auto* vit = std::get_if<VitConfig>(&row.spec.model);
  if (!vit) return target;
  target.num_heads = vit->num_heads;
  if (vit->reg_tokens > 0) target.no_embed_class = vit->pos_embed_covers == "patches";
  return target;
}

ImportedWeights convert_preset(const PresetRow& row, const TensorMap& source, const ImportTarget& target, const std::string& where) {
  try {
    return convert_state_dict(source, target);
  } catch (const Error& e) {
    fail(ErrorKind::Data, "[preset] {} does not hold {} ({}): {}", where, row.name, describe(row.spec.model), e.what());
  }
}

EncoderSpec spec_of(const PresetRow& row, const ModelConfig& found, const std::string& where) {
  const std::string wanted = describe(row.spec.model), has = describe(found);
  EOSIN_CHECK(has == wanted, Data, "[preset] {} does not hold {}: {} (need {})", where, row.name, has, wanted);
  EncoderSpec spec = row.spec;
  spec.model = found;
  if (auto* vit = std::get_if<VitConfig>(&spec.model)) {
    vit->global_pool = row.spec.vit().global_pool;
    vit->dynamic_img_size = true;
  }
  return spec;
}

}  // namespace eosin::nn
