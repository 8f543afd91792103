#include "apps/verb.h"
#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/encoder.h"
#include "core/nn/presets.h"

#include <ATen/core/Tensor.h>

namespace eosin::apps {
namespace {

struct ImportModel {
  std::string name;
  std::optional<int64_t> image_size_px, patch_size, num_heads;

  void visit(config::Visitor& v) {
    v("name", name, "backbone that the weights must fit (`eosin list backbone`); empty: as the weights say");
    v("image_size_px", image_size_px, "image size to resample the positions for; else the weights' own", config::Range{1, 8192});
    v("patch_size", patch_size, "patch size to resample the kernel for; else the weights' own", config::Range{1, 256});
    v("num_heads", num_heads, "attention heads, where neither config.json nor the backbone tells", config::Range{1, 1024});
  }
};

struct ImportConfig {
  ImportModel model;
  std::string preset, key, out;
  bool ignore_crc = false;
  std::vector<double> mean, std;
  std::vector<std::string> allow_missing, allow_unexpected;

  void visit(config::Visitor& v) {
    v("model", model, "what the weights are checked against");
    v("preset", preset, "published model that the file must be (`eosin list preset`): its architecture, images and pooling");
    v("key", key, "dictionary of a torch.save file that holds the encoder (model, state_dict, teacher, ...); empty: the only one that does");
    v("ignore_crc", ignore_crc, "read a torch.save file that was written without checksums");
    v("out", out, "folder to write; empty: check only");
    v("mean", mean, "per channel, of pixels in [0, 1], that the encoder expects; else the preset's, config.json's or ImageNet's",
      config::Length{0, 3});
    v("std", std, "per channel; else the preset's, config.json's or ImageNet's", config::Length{0, 3});
    v("allow_missing", allow_missing, "names that the file may lack (they get initial values)");
    v("allow_unexpected", allow_unexpected, "names that the file may have beyond the model's");
  }
  void validate(config::Problems& p) const {
    if (!preset.empty() && !model.name.empty()) p.add("model.name", "a preset names its own model; leave one of the two out");
  }
};

nn::EncoderSource source_of(const ImportConfig& config) {
  nn::EncoderSource source;
  source.key = config.key;
  source.check_crc = !config.ignore_crc;
  source.preset = config.preset;
  if (!config.preset.empty()) nn::preset(config.preset);  // an unknown one is an error before anything is read
  source.target.num_heads = config.model.num_heads;
  if (!source.target.num_heads && !config.model.name.empty())
    if (const auto* vit = std::get_if<nn::VitConfig>(&nn::backbone(config.model.name).model)) source.target.num_heads = vit->num_heads;
  if (config.model.image_size_px) source.target.img_size = {*config.model.image_size_px, *config.model.image_size_px};
  source.target.patch_size = config.model.patch_size;
  return source;
}

/// The named backbone's sizes in place of those that the weights show, so that a difference is an error.
nn::ModelConfig wanted(const nn::ModelConfig& found, const std::string& name) {
  if (name.empty()) return found;
  const nn::ModelConfig& row = nn::backbone(name).model;
  if (!std::holds_alternative<nn::VitConfig>(row) || row.index() != found.index()) return row;
  nn::VitConfig vit = nn::vit_of(found);
  const nn::VitConfig& sizes = nn::vit_of(row);
  vit.embed_dim = sizes.embed_dim;
  vit.depth = sizes.depth;
  vit.num_heads = sizes.num_heads;
  vit.mlp_hidden = sizes.mlp_hidden;
  vit.ffn = sizes.ffn;
  return vit;
}

nlohmann::ordered_json describe(const std::vector<nn::ResizedTensor>& resized) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& r : resized) rows.push_back({{"name", r.name}, {"from", r.from}, {"to", r.to}});
  return rows;
}

int run_import(const Invocation& in) {
  EOSIN_CHECK(in.words.size() == 1, Config, "[import] got {} paths (need 1: a safetensors or torch.save file, or a folder with one)",
              in.words.size());
  ImportConfig config;
  config::read(in.settings(), config, "import");

  nn::EncoderWeights found = nn::read_encoder(in.words.front(), source_of(config));
  found.spec.model = wanted(found.spec.model, config.model.name);
  if (!config.mean.empty()) found.spec.mean = config.mean;
  if (!config.std.empty()) found.spec.std = config.std;
  const auto model = nn::make_backbone(found.spec.model);
  model->init_weights(0);
  const nn::LoadReport report = nn::load_weights(*model, found.weights, config.allow_missing, config.allow_unexpected);
  const TensorMap weights = nn::named_weights(*model);
  int64_t parameters = 0;
  for (const Tensor& p : model->parameters()) parameters += p.numel();
  if (!config.out.empty() && !in.dry_run) nn::write_encoder(config.out, found.spec, weights, nn::format_for(found.spec.model));
  const auto* vit = std::get_if<nn::VitConfig>(&found.spec.model);
  nlohmann::ordered_json result = {{"path", config.out.empty() ? in.words.front() : config.out},
                                   {"parameters", parameters},
                                   {"features", nn::feature_dim(found.spec.model)},
                                   {"pooling", vit ? vit->global_pool : "avg"},
                                   {"missing", report.missing},
                                   {"unexpected", report.unexpected},
                                   {"origin", found.origin},
                                   {"dropped", found.dropped},
                                   {"resized", describe(found.resized)},
                                   {"weights_hash", nn::weights_hash(weights)}};
  if (vit) result["pos_embed_resample"] = {{"offset", vit->pos_offset}, {"antialias", vit->pos_antialias}};
  print_result(in, result);
  return 0;
}

}  // namespace

Verb import_verb() {
  return {"import",
          "import FILE [preset=uni | model.name=vit_small] [key=teacher] [out=FOLDER] [...]",
          "reads public encoder weights, checks them against the architecture, and writes them as an encoder folder",
          "eosin import dino_checkpoint.pth out=encoders/vit_small",
          {"--preset=NAME  a published model: its architecture, images and pooling"},
          run_import,
          make_config<ImportConfig>()};
}

}  // namespace eosin::apps
