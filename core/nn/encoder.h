#pragma once
// Encoders on disk: an exported folder (model.safetensors + config.json), a folder of timm or transformers, a safetensors or torch.save
// file of any known kind, or a run folder with checkpoints.
#include "core/nn/backbone.h"
#include "core/nn/encoder_spec.h"
#include "core/nn/weights.h"

#include <string>
#include <vector>

namespace eosin::nn {

/// Which network of a self-supervised run, and what the importer is told beside the file.
struct EncoderSource {
  std::string network = "auto";  // the teacher, or the only network; "teacher", "student"
  ImportTarget target;           // its fields win over the preset and the file's config.json
  std::string key;               // dictionary of a torch.save file (StateDictChoice)
  bool check_crc = true;         // of a torch.save file's records
  std::string preset;            // a row of presets(): what the file must be; not for run folders
  TokenMergeConfig token_merge;  // at inference, in place of the model's own; "none" leaves that
};

/// What the names of the encoder's weights in a method's state begin with: "teacher.backbone." or "student.backbone."; "auto": the teacher's,
/// where there is one.
///
/// Errors   Config naming `where` if the network is not there, or is no name of one.
std::string backbone_prefix(const TensorMap& state, const std::string& where, const std::string& network = "auto");

/// Weights with the images that they expect; spec.model describes the weights.
struct EncoderWeights {
  EncoderSpec spec;
  TensorMap weights;
  std::string origin;  // a row of weight_origins(), "checkpoint step-00001000"
  std::vector<std::string> dropped;
  std::vector<ResizedTensor> resized;
  TensorMap heads;                   // of a classifier: head.weight, head.bias, and head_dist.* of a distillation token
  std::vector<std::string> classes;  // that it tells apart, where that is known
};
/// A file that write_encoder wrote is checked against the hash that it carries. Files of torch.save (.pth, .pt, .bin, .ckpt, .tar) are
/// read as data (core/tensor/torch_archive.h).
///
/// Errors   Io if there is nothing at `path`; Data naming file and reason: no encoder, damaged, not what the preset says; Config if the
///          encoder is not the only one, or the network is not there.
EncoderWeights read_encoder(const std::string& path, const EncoderSource& source = {});

/// Ready for features.
struct Encoder {
  std::shared_ptr<Backbone> model;
  EncoderSpec spec;
  std::string weights_hash;  // weights_hash() of the model

  /// Features of normalised images, float32, without gradient.
  ///
  /// Shapes   images_BCHW -> features_BD.
  Tensor embed(const Tensor& images_BCHW);
};
/// Errors   those of load_weights.
Encoder make_encoder(const EncoderWeights& stored);
/// Errors   those of read_encoder and load_weights.
/// Checked  tests/nn/test_encoder.cpp; tests/python/timm_parity.py.
Encoder load_encoder(const std::string& path, const EncoderSource& source = {});

/// Copies the encoder at `path`, resized to the model's image and patch size, into `model`; logs its origin, what was dropped, missing and resized.
///
/// Errors   those of read_encoder and load_weights.
void load_pretrained(Backbone& model, const std::string& path, const std::vector<std::string>& allow_missing = {});

/// Writes model.safetensors and config.json into `folder` for "timm" (`timm.create_model('local-dir:FOLDER', pretrained=True)`), "hf"
/// (`AutoModel.from_pretrained('FOLDER')`), "dinov2", "dinov3" (names and arguments of their DinoVisionTransformer), or "eosin" (our own names
/// and EncoderSpec, for models that no other library has). Loading it back
/// gives the same bits: the metadata of model.safetensors holds `weights_sha256`, the weights_hash() of its tensors.
///
/// Errors   Config for another format, or a model that the format cannot say; Io.
void write_encoder(const std::string& folder, const EncoderSpec& spec, const TensorMap& weights, const std::string& format = "timm");

/// The format whose library computes the model: timm's where it can, DINOv3's for rotary positions, transformers' for another eps,
/// our own for what none has.
std::string format_for(const ModelConfig& model);

/// SHA-256 over names, shapes, types and bytes: the identity that features files carry.
std::string weights_hash(const TensorMap& weights);

}  // namespace eosin::nn
