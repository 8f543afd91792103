#include "ssl/reconstruction.h"

#include "core/base/error.h"
#include "ssl/fourier_loss.h"
#include "ssl/mae_loss.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

void add_part(train::Loss& loss, const char* name, const Tensor& term) {
  loss.total = loss.total.defined() ? loss.total + term : term;
  loss.parts.emplace_back(name, term.detach());
}

}  // namespace

Tensor completed_images(const Tensor& images_BCHW, const Tensor& pred_BNP, const Tensor& mask_BN, int64_t patch_size, bool norm_pix) {
  const Tensor patches_BNP = patchify(images_BCHW, patch_size);
  Tensor pixels = pred_BNP.to(patches_BNP.scalar_type());
  if (norm_pix) {
    const PatchNorm norm = patch_norm(patches_BNP);
    pixels = pixels * norm.deviation_BN1 + norm.mean_BN1;
  }
  const int64_t rows = images_BCHW.size(2) / patch_size, cols = images_BCHW.size(3) / patch_size;
  return unpatchify(at::where(mask_BN.unsqueeze(-1) > 0, pixels, patches_BNP), patch_size, rows, cols);
}

void add_reconstruction(train::Loss& loss, const Tensor& pred_BNP, const Tensor& images_BCHW, int64_t patch_size, const Tensor& mask_BN,
                        const ReconstructionLoss& options) {
  const Tensor patches = patchify(images_BCHW, patch_size);
  add_part(loss, "mae", mae_loss(pred_BNP, patches, mask_BN, options.norm_pix) * options.weight);
  if (options.fourier_weight == 0) return;
  const Tensor rebuilt = completed_images(images_BCHW, pred_BNP, mask_BN, patch_size, options.norm_pix);
  add_part(loss, "fourier", fourier_loss(rebuilt, images_BCHW, options.fourier_norm) * options.fourier_weight);
}

Tensor resize_patches(const Tensor& patches_BNP, int64_t from, int64_t to) {
  if (from == to) return patches_BNP;
  const int64_t batch = patches_BNP.size(0), count = patches_BNP.size(1), channels = patches_BNP.size(2) / (from * from);
  const Tensor images = patches_BNP.reshape({batch * count, from, from, channels}).permute({0, 3, 1, 2});
  return at::_upsample_bicubic2d_aa(images, {to, to}, false).permute({0, 2, 3, 1}).reshape({batch, count, to * to * channels});
}

void ReconstructionConfig::visit(config::Visitor& v) {
  using config::Range;
  v("weight", weight, "weight of the removed patches' pixels (PLUTO: DINOv2, MAE and Fourier amplitudes); 0: none", Range{0, 1e6});
  v("mask_ratio", mask_ratio, "share of the patches that are removed", Range{0, 1, config::kOpenLow | config::kOpenHigh});
  v("decoder_dim", decoder_dim, "width of the decoder", Range{4, 1 << 16});
  v("decoder_depth", decoder_depth, "blocks of the decoder", Range{1, 256});
  v("decoder_num_heads", decoder_num_heads, "attention heads of the decoder", Range{1, 256});
  v("norm_pix", norm_pix, "reconstruct each patch less its mean, over its deviation");
  v("fourier_weight", fourier_weight, "weight of the difference of Fourier amplitudes; 0: none", Range{0, 1e6});
}

void ReconstructionConfig::validate(config::Problems& p) const { check_decoder_dim(decoder_dim, decoder_num_heads, p); }

ReconstructionImpl::ReconstructionImpl(const ReconstructionConfig& config, const nn::VitConfig& vit)
    : config_(config), own_patch_size_(vit.patch_size) {
  MaeDecoderShape shape;
  shape.in_dim = vit.embed_dim;
  shape.dim = config.decoder_dim, shape.depth = config.decoder_depth, shape.num_heads = config.decoder_num_heads;
  shape.mlp_hidden = 4 * config.decoder_dim;
  shape.patch_size = vit.patch_size, shape.in_chans = vit.in_chans;
  shape.grid = vit.grid();
  decoder_ = register_module("decoder", MaeDecoder(shape));
}

void ReconstructionImpl::add_to(train::Loss& loss, nn::Vit& backbone, const Tensor& images_BCHW, const data::ViewBatch& batch, int64_t patch_size,
                                nn::DropPathKey drop_path) {
  const nn::PatchGrid grid{images_BCHW.size(2) / patch_size, images_BCHW.size(3) / patch_size};
  const int64_t views = images_BCHW.size(0) / batch.views_BCHW.front().size(0);
  const VisiblePatches chosen = choose_visible(patch_noise(batch, views, grid.count(), drop_path.seed), config_.mask_ratio).to(images_BCHW.device());
  nn::VitPass pass;
  pass.visible_BK = {chosen.visible_BK};
  pass.patch_size = patch_size;
  pass.drop_path = drop_path;
  const Tensor tokens = backbone->forward_tokens(images_BCHW, pass);
  const Tensor pred = decoder_(backbone->class_tokens(tokens), backbone->patch_tokens(tokens), chosen.restore_BN, grid);
  add_reconstruction(loss, resize_patches(pred, own_patch_size_, patch_size), images_BCHW, patch_size, chosen.mask_BN,
                     {config_.norm_pix, config_.weight, config_.fourier_weight});
}

}  // namespace eosin::ssl
