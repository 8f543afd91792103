#pragma once
// Removed patches, rebuilt: the loss of masked autoencoders, and the same as one more term of another method.
#include "core/nn/vit.h"
#include "data/batch.h"
#include "ssl/mae_decoder.h"
#include "ssl/visible_patches.h"
#include "train/objective.h"

#include <string>

namespace eosin::ssl {

/// How predicted pixels are judged.
struct ReconstructionLoss {
  bool norm_pix = true;
  double weight = 1, fourier_weight = 0;
  std::string fourier_norm = "l1";
};
/// The images with their removed patches as predicted; norm_pix is undone.
Tensor completed_images(const Tensor& images_BCHW, const Tensor& pred_BNP, const Tensor& mask_BN, int64_t patch_size, bool norm_pix);

/// Adds to `loss` the parts mae (ssl/mae_loss.h) and, with fourier_weight, fourier (ssl/fourier_loss.h): that of the image and the image with
/// its removed patches as predicted.
///
/// Shapes   pred_BNP: pixels of all patches of side `patch_size`; mask_BN: 1 = removed.
void add_reconstruction(train::Loss& loss, const Tensor& pred_BNP, const Tensor& images_BCHW, int64_t patch_size, const Tensor& mask_BN,
                        const ReconstructionLoss& options);

/// Patches of side `from` at side `to` (bicubic, antialias).
///
/// Shapes   patches_BNP, P = from from C -> [B, N, to to C].
Tensor resize_patches(const Tensor& patches_BNP, int64_t from, int64_t to);

struct ReconstructionConfig {
  double weight = 0, mask_ratio = 0.75;
  int64_t decoder_dim = 512, decoder_depth = 2, decoder_num_heads = 16;
  bool norm_pix = true;
  double fourier_weight = 0.01;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// PLUTO's third and fourth loss beside DINO and iBOT (Juyal et al. 2024, arXiv:2405.07905): the backbone sees the visible patches of an image
/// alone, and a shallow decoder rebuilds the removed ones. What stays is drawn as for MAE. At another patch size than the model's the
/// decoder predicts patches of the model's size, which are resized.
///
/// Differs  the paper publishes neither the decoder nor the form of its Fourier term: these are ours.
/// Checked  tests/ssl/test_reconstruction.cpp: gradients, resume, patch sizes.
class ReconstructionImpl : public torch::nn::Module {
 public:
  ReconstructionImpl(const ReconstructionConfig& config, const nn::VitConfig& vit);
  void init_weights(uint64_t seed) { decoder_->init_weights(seed); }
  /// Adds the parts for `views` views of the batch's tiles, crop-major; `drop_path` also seeds the masks.
  void add_to(train::Loss& loss, nn::Vit& backbone, const Tensor& images_BCHW, const data::ViewBatch& batch, int64_t patch_size,
              nn::DropPathKey drop_path);

 private:
  ReconstructionConfig config_;
  int64_t own_patch_size_;
  MaeDecoder decoder_{nullptr};
};
TORCH_MODULE(Reconstruction);

}  // namespace eosin::ssl
