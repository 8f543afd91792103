#include "core/nn/encoder.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "core/nn/dinov2_config.h"
#include "core/nn/hf_config.h"
#include "core/nn/presets.h"
#include "core/nn/state_dict.h"
#include "core/nn/timm_config.h"
#include "core/nn/weight_export.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch_archive.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr const char* kOwnKey = "eosin";            // of a config.json that holds an EncoderSpec
constexpr const char* kHashKey = "weights_sha256";  // in the metadata of model.safetensors

Json read_json(const fs::path& path) {
  try {
    return Json::parse(read_file(path.string()));
  } catch (const Json::exception& e) {
    fail(ErrorKind::Data, "[encoder] {} is not JSON: {}", path.string(), e.what());
  }
}

/// What the caller said, else what the file says.
ImportTarget merged(const ImportTarget& told, ImportTarget file) {
  if (told.num_heads) file.num_heads = told.num_heads;
  if (!told.source_size.empty()) file.source_size = told.source_size;
  if (told.no_embed_class) file.no_embed_class = told.no_embed_class;
  if (told.norm_eps) file.norm_eps = told.norm_eps;
  if (told.rope) file.rope = told.rope;
  file.mask_token = told.mask_token;
  return file;
}

EncoderWeights with_spec(ImportedWeights imported, EncoderSpec spec, const EncoderSource& source) {
  spec.model = imported.model;
  if (source.token_merge.method != "none") {  // of a vision transformer, or a Config error
    spec.vit().token_merge = source.token_merge;
    spec.vit().drop_path_rate = 0;
    spec.vit().check();
  }
  return {std::move(spec), std::move(imported.weights), std::move(imported.origin), std::move(imported.dropped), std::move(imported.resized), {}, {}};
}

/// The heads of a classifier among a file's tensors, under timm's names.
TensorMap classification_heads(const TensorMap& tensors) {
  TensorMap heads;
  for (const char* part : {"weight", "bias"}) {
    for (const char* theirs : {"head", "classifier", "fc", "head.fc"})
      if (const auto it = tensors.find(fmt::format("{}.{}", theirs, part)); it != tensors.end())
        heads.emplace(std::string("head.") + part, it->second);
    if (const auto it = tensors.find(std::string("head_dist.") + part); it != tensors.end()) heads.emplace(it->first, it->second);
  }
  return heads;
}

/// The file's tensors; where it carries the hash of its weights (write_encoder), they must have it.
TensorMap read_verified(const fs::path& path) {
  SafetensorsFile file = read_safetensors(path.string());
  if (const auto expected = file.metadata.find(kHashKey); expected != file.metadata.end()) {
    const std::string found = weights_hash(file.tensors);
    EOSIN_CHECK(found == expected->second, Data, "[encoder] {} is damaged: its weights have SHA-256 {} (need {}, as exported); export it again",
                path.string(), found, expected->second);
  }
  return std::move(file.tensors);
}

/// Weights are real numbers: one that is not would be trained from, or exported, without a word.
void check_finite(const TensorMap& weights, const std::string& where) {
  for (const auto& [name, tensor] : weights) {
    if (name.ends_with(".num_batches_tracked")) continue;  // of a batch norm: a count
    EOSIN_CHECK(at::isFloatingType(tensor.scalar_type()), Data, "[encoder] {}: {} holds {} (need floating-point weights)", where, name,
                c10::toString(tensor.scalar_type()));
    EOSIN_CHECK(at::isfinite(tensor).all().item<bool>(), Data, "[encoder] {}: {} holds NaN or infinite values", where, name);
  }
}

bool is_torch_file(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".pth" || ending == ".pt" || ending == ".bin" || ending == ".ckpt" || ending == ".tar" || ending == ".torch";
}

TensorMap read_tensors(const fs::path& path, const EncoderSource& source) {
  if (is_torch_file(path)) return choose_state_dict(read_torch_archive(path.string(), source.check_crc), {source.key, source.network}, path.string());
  EOSIN_CHECK(source.key.empty(), Config, "[encoder] {} has no dictionaries to choose from (got key '{}'); only files of torch.save do",
              path.string(), source.key);
  return read_verified(path);
}

/// The JSON file of that name beside the weights; null if there is none.
Json read_beside(const fs::path& weights, const char* name) {
  const fs::path path = weights.parent_path() / name;
  return fs::exists(path) ? read_json(path) : Json();
}

/// What write_encoder wrote in our own words.
EncoderWeights own_weights(const TensorMap& tensors, const EncoderSpec& spec, const EncoderSource& source, const std::string& where) {
  EOSIN_CHECK(source.preset.empty(), Config, "[encoder] {} was written by this program, which says what it holds; leave out preset={}", where,
              source.preset);
  ImportedWeights imported;
  imported.weights = tensors;
  imported.model = spec.model;
  imported.origin = "eosin";
  check_finite(imported.weights, where);
  resize_weights(imported, source.target);
  return with_spec(std::move(imported), spec, source);
}

EncoderWeights read_weights(const fs::path& path, const EncoderSource& source) {
  const TensorMap tensors = read_tensors(path, source);
  const Json json = read_beside(path, "config.json");
  const std::string where = (path.parent_path() / "config.json").string();
  if (json.contains(kOwnKey)) return own_weights(tensors, encoder_spec_from_json(json[kOwnKey], where), source, path.string());
  const bool hf = is_hf_config(json);
  ImportTarget target = json.is_null() ? ImportTarget{} : hf ? import_target_of_hf(json, where) : import_target_of_timm(json, where);
  const PresetRow* row = source.preset.empty() ? nullptr : &preset(source.preset);
  if (row) target = merged(import_target_of(*row), target);
  target = merged(source.target, target);
  ImportedWeights imported = row ? convert_preset(*row, tensors, target, path.string()) : convert_state_dict(tensors, target);
  check_finite(imported.weights, path.string());
  EncoderSpec spec;
  spec.model = imported.model;
  if (row) {
    spec = spec_of(*row, imported.model, path.string());
  } else if (hf) {
    apply_hf_config(spec, json, read_beside(path, "preprocessor_config.json"), where);
  } else if (!json.is_null()) {
    apply_timm_config(spec, json, where);
  }
  imported.model = spec.model;
  resize_weights(imported, source.target);
  if (!source.target.img_size.empty()) spec.image_size_px = 0;
  EncoderWeights read = with_spec(std::move(imported), spec, source);
  read.heads = classification_heads(tensors);
  return read;
}

/// The student's or teacher's backbone of a self-supervised run.
EncoderWeights take_backbone(const Checkpoint& checkpoint, const EncoderSource& source) {
  EOSIN_CHECK(source.preset.empty(), Config, "[encoder] {} is a checkpoint of this program, which says what it holds; leave out preset={}",
              checkpoint.path, source.preset);
  const State objective = checkpoint.state.part("task").part("objective");
  EOSIN_CHECK(objective.values.contains("encoder"), Data, "[encoder] {} holds no encoder", checkpoint.path);
  const EncoderSpec spec = encoder_spec_from_json(objective.values["encoder"], checkpoint.path);
  ImportedWeights imported;
  imported.model = spec.model;
  imported.origin = "checkpoint " + fs::path(checkpoint.path).filename().string();
  const std::string prefix = backbone_prefix(objective.tensors, checkpoint.path, source.network);
  for (const auto& [name, t] : objective.tensors) {
    if (name.rfind(prefix, 0) == 0)
      imported.weights.emplace(name.substr(prefix.size()), t);
    else
      imported.dropped.push_back(name);
  }
  resize_weights(imported, source.target);
  EncoderWeights taken = with_spec(std::move(imported), spec, source);
  const std::string network = prefix.substr(0, prefix.size() - std::string("backbone.").size());
  for (const char* head : {"head.weight", "head.bias", "head_dist.weight", "head_dist.bias"})
    if (const auto it = objective.tensors.find(network + head); it != objective.tensors.end()) taken.heads.emplace(head, it->second);
  taken.classes = objective.values.value("classes", std::vector<std::string>());
  return taken;
}

}  // namespace

std::string backbone_prefix(const TensorMap& state, const std::string& where, const std::string& network) {
  EOSIN_CHECK(network == "auto" || network == "teacher" || network == "student", Config,
              "[encoder] unknown network '{}' (need auto, teacher or student)", network);
  const auto holds = [&](const std::string& prefix) {
    const auto it = state.lower_bound(prefix);
    return it != state.end() && it->first.starts_with(prefix);
  };
  const std::string teacher = "teacher.backbone.", student = "student.backbone.";
  if (network == "auto") return holds(teacher) ? teacher : student;
  const std::string wanted = network + ".backbone.";
  EOSIN_CHECK(holds(wanted), Config, "[encoder] {} holds no {}: its method trains one network; leave out network={}", where, network, network);
  return wanted;
}

EncoderWeights read_encoder(const std::string& path, const EncoderSource& source) {
  EOSIN_CHECK(fs::exists(path), Io, "[encoder] no such file or folder: {}", path);
  if (fs::is_regular_file(path)) return read_weights(path, source);
  for (const char* name : {"model.safetensors", "pytorch_model.bin"})
    if (const fs::path file = fs::path(path) / name; fs::exists(file)) return read_weights(file, source);
  if (fs::exists(fs::path(path) / "MANIFEST.json")) return take_backbone(load_checkpoint(path), source);
  if (const fs::path folder = fs::path(path) / "checkpoints"; fs::is_directory(folder)) {
    const auto newest = load_latest(folder.string());
    EOSIN_CHECK(newest, Data, "[encoder] {} holds no checkpoint yet; train longer or lower train.checkpoint_every", path);
    return take_backbone(*newest, source);
  }
  fail(ErrorKind::Data, "[encoder] {} holds neither model.safetensors, pytorch_model.bin nor checkpoints", path);
}

Tensor Encoder::embed(const Tensor& images_BCHW) {
  const at::NoGradGuard no_grad;
  return model->forward(images_BCHW).to(at::kFloat);
}

Encoder make_encoder(const EncoderWeights& stored) {
  Encoder encoder;
  encoder.spec = stored.spec;
  encoder.model = make_backbone(stored.spec.model);
  load_weights(*encoder.model, stored.weights);
  encoder.model->eval();
  encoder.weights_hash = weights_hash(named_weights(*encoder.model));
  return encoder;
}

Encoder load_encoder(const std::string& path, const EncoderSource& source) { return make_encoder(read_encoder(path, source)); }

namespace {

/// What a vision transformer must share with its initial weights beyond names and shapes.
void check_alike(const VitConfig& found, const VitConfig& wanted, const std::string& path) {
  EOSIN_CHECK(found.pos_embed_covers == wanted.pos_embed_covers || wanted.reg_tokens == 0, Data,
              "[init] {} gives positions to '{}' tokens (need '{}'); use the same reg_tokens", path, found.pos_embed_covers, wanted.pos_embed_covers);
  if (found.norm_eps != wanted.norm_eps)
    log::warn("[init] {} was trained with norm_eps {}, this model has {}", path, found.norm_eps, wanted.norm_eps);
}

}  // namespace

void load_pretrained(Backbone& model, const std::string& path, const std::vector<std::string>& allow_missing) {
  const ModelConfig wanted = model.description();
  const auto* vit = std::get_if<VitConfig>(&wanted);
  EncoderSource source;
  source.target.img_size = image_size(wanted);
  if (vit) source.target.patch_size = vit->patch_size, source.target.mask_token = vit->mask_token;
  EncoderWeights found = read_encoder(path, source);
  EOSIN_CHECK(found.spec.model.index() == wanted.index(), Data, "[init] {} holds a {} (need a {})", path, family_of(found.spec.model),
              family_of(wanted));
  std::vector<std::string> missing = allow_missing;
  if (vit) check_alike(found.spec.vit(), *vit, path);
  if (vit && vit->mask_token)
    missing.emplace_back("mask_token");  // many public weights have none: it stays as it is
  else
    found.weights.erase("mask_token");
  const LoadReport report = load_weights(model, found.weights, missing);
  log::info("[init] weights from {} ({}): {} dropped, missing [{}]", path, found.origin, found.dropped.size(), fmt::join(report.missing, ", "));
  for (const ResizedTensor& r : found.resized) log::info("[init] resized {}: [{}] -> [{}]", r.name, fmt::join(r.from, ", "), fmt::join(r.to, ", "));
}

std::string format_for(const ModelConfig& model) {
  if (const auto* swin = std::get_if<SwinConfig>(&model); swin && swin->stem == "conv") return "eosin";
  const auto* vit = std::get_if<VitConfig>(&model);
  if (!vit) return "timm";
  if (vit->attention_pool.dim > 0) return "eosin";
  if (vit->rope.enabled) return "dinov3";
  return vit->norm_eps == 1e-6 ? "timm" : "hf";
}

namespace {

/// For our own reader: what every EncoderSpec says.
nlohmann::ordered_json own_config(const EncoderSpec& spec) { return {{kOwnKey, to_json(spec)}}; }

}  // namespace

void write_encoder(const std::string& folder, const EncoderSpec& spec, const TensorMap& weights, const std::string& format) {
  using ConfigOf = nlohmann::ordered_json (*)(const EncoderSpec&);
  using NamesOf = TensorMap (*)(const TensorMap&, const ModelConfig&);
  struct Format {
    const char* name;
    ConfigOf config;
    NamesOf names;
  };
  static const std::vector<Format> formats = {
      {"timm", timm_config, [](const TensorMap& w, const ModelConfig&) { return to_timm(w); }},
      {"dinov2", dinov2_config, [](const TensorMap& w, const ModelConfig& m) { return to_dinov2(w, vit_of(m)); }},
      {"dinov3", dinov3_config, [](const TensorMap& w, const ModelConfig& m) { return to_dinov3(w, vit_of(m)); }},
      {"hf", hf_config, [](const TensorMap& w, const ModelConfig& m) { return to_hf(w, vit_of(m)); }},
      {"eosin", own_config, [](const TensorMap& w, const ModelConfig&) { return w; }}};
  const auto row = std::find_if(formats.begin(), formats.end(), [&](const Format& f) { return f.name == format; });
  EOSIN_CHECK(row != formats.end(), Config, "[export] unknown format '{}' (need timm, dinov2, dinov3, hf or eosin)", format);
  EOSIN_CHECK(std::holds_alternative<VitConfig>(spec.model) || format == "timm" || format == "eosin", Config,
              "[export] format {} is for vision transformers (got a {}); export with format=timm or eosin", format, family_of(spec.model));
  const TensorMap named = row->names(weights, spec.model);
  const auto config = row->config(spec);
  fs::create_directories(folder);
  write_safetensors((fs::path(folder) / "model.safetensors").string(), named, {{"format", "pt"}, {kHashKey, weights_hash(named)}});
  write_file((fs::path(folder) / "config.json").string(), config.dump(2) + "\n");
  if (format == "hf") write_file((fs::path(folder) / "preprocessor_config.json").string(), hf_preprocessor(spec).dump(2) + "\n");
}

std::string weights_hash(const TensorMap& weights) {
  Sha256 sha;
  for (const auto& [name, t] : weights) {
    const Tensor bytes = t.detach().cpu().contiguous();
    sha.update(fmt::format("{} {} [{}]\n", name, c10::toString(t.scalar_type()), fmt::join(t.sizes().vec(), ",")));
    sha.update({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return sha.hex();
}

}  // namespace eosin::nn
