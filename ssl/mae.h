#pragma once
// Masked autoencoder (He et al. 2021, arXiv:2111.06377).
#include "core/nn/encoder_spec.h"
#include "core/nn/vit.h"
#include "data/batch.h"
#include "ssl/illustrated.h"
#include "ssl/mae_decoder.h"
#include "ssl/visible_patches.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's.
struct MaeConfig {
  double mask_ratio = 0.75;
  int64_t decoder_dim = 512, decoder_depth = 8, decoder_num_heads = 16;
  bool norm_pix = true;
  double fourier_weight = 0;
  std::string fourier_norm = "l1";
  double gradient_weight = 0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Encoder and decoder, and a second decoder where gradients are rebuilt, too.
struct MaeNetImpl : torch::nn::Module {
  MaeNetImpl(const nn::VitConfig& vit, const MaeDecoderShape& shape, bool gradients = false);
  /// Linears Xavier-uniform (the patch convolution as one), class token normal 0.02, positions sine-cosine, not trained.
  void init_weights(uint64_t seed);
  /// Normalised tokens [class, visible patches] of images of which the encoder sees the visible patches alone.
  Tensor encode(const Tensor& images_BCHW, const Tensor& visible_BK, const std::optional<nn::DropPathKey>& drop_path = {});
  /// Pixels of all patches [B, N, p p C] from what encode() gives.
  Tensor decode(const Tensor& latent_BTD, const Tensor& restore_BN);
  /// The same of how steep the image is (ssl/gradient_map.h).
  Tensor decode_gradients(const Tensor& latent_BTD, const Tensor& restore_BN);

  nn::Vit backbone{nullptr};
  MaeDecoder decoder{nullptr}, gradient_decoder{nullptr};
};
TORCH_MODULE(MaeNet);

/// Views: any number of crops of the model's image size, each one more sample. The encoder sees the visible patches alone; the loss is
/// over the removed ones. What stays is drawn for every image by (seed, position of the tile, view).
/// Parts: mae, and with a Fourier term fourier (PLUTO's, arXiv:2405.07905; its form is unpublished: ours is fourier_weight times the
/// difference of amplitudes of the image and the image with its removed patches as predicted); with a gradient term gradient (Uni4Eye's second
/// branch, arXiv:2203.04614): the mean squared error of the removed patches' gradient map, which is not normalised.
/// Errors   Shape if views differ in size from the model's; Config if nothing stays or nothing is removed.
/// Checked  golden ssl.mae; tests/ssl/test_mae.cpp; tests/python/mae_parity.py.
class Mae final : public train::Objective<data::ViewBatch>, public Illustrated {
 public:
  Mae(const MaeConfig& config, nn::EncoderSpec encoder, uint64_t seed);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  /// Of the first view: the image, its visible patches, the image with the others as predicted (norm_pix undone).
  Illustration illustrate(const data::ViewBatch& batch) override;
  std::vector<train::ParamGroup> param_groups() override;
  /// Tensors student.backbone.*, student.decoder.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  MaeConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  MaeNet student_{nullptr};
};

}  // namespace eosin::ssl
