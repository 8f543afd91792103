#include "ssl/mae.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/sincos_pos_embed.h"
#include "core/nn/weights.h"
#include "ssl/crop_groups.h"
#include "ssl/gradient_map.h"
#include "ssl/mae_loss.h"
#include "ssl/method_state.h"
#include "ssl/reconstruction.h"
#include "ssl/student_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

MaeDecoderShape decoder_shape(const MaeConfig& config, const nn::VitConfig& vit) {
  MaeDecoderShape shape;
  shape.in_dim = vit.embed_dim;
  shape.dim = config.decoder_dim;
  shape.depth = config.decoder_depth;
  shape.num_heads = config.decoder_num_heads;
  shape.mlp_hidden = 4 * config.decoder_dim;
  shape.patch_size = vit.patch_size;
  shape.in_chans = vit.in_chans;
  shape.grid = vit.grid();
  return shape;
}

}  // namespace

void MaeConfig::visit(config::Visitor& v) {
  using config::Range;
  v("mask_ratio", mask_ratio, "share of the patches that are removed", Range{0, 1, config::kOpenLow | config::kOpenHigh});
  v("decoder_dim", decoder_dim, "width of the decoder", Range{4, 1 << 16});
  v("decoder_depth", decoder_depth, "blocks of the decoder", Range{1, 256});
  v("decoder_num_heads", decoder_num_heads, "attention heads of the decoder", Range{1, 256});
  v("norm_pix", norm_pix, "reconstruct each patch less its mean, over its deviation");
  v("fourier_weight", fourier_weight, "weight of the difference of Fourier amplitudes; 0: none", Range{0, 1e6});
  v("fourier_norm", fourier_norm, "that difference: absolute (l1) or squared (l2)", config::OneOf{{"l1", "l2"}});
  v("gradient_weight", gradient_weight, "weight of a second decoder that rebuilds how steep the image is (Uni4Eye); 0: none", Range{0, 1e6});
}

void MaeConfig::validate(config::Problems& p) const { check_decoder_dim(decoder_dim, decoder_num_heads, p); }

MaeNetImpl::MaeNetImpl(const nn::VitConfig& vit, const MaeDecoderShape& shape, bool gradients)
    : backbone(register_module("backbone", nn::Vit(vit))), decoder(register_module("decoder", MaeDecoder(shape))) {
  if (gradients) gradient_decoder = register_module("gradient_decoder", MaeDecoder(shape));
  backbone->named_parameters()["pos_embed"].set_requires_grad(false);
}

void MaeNetImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  const nn::VitConfig& vit = backbone->config();
  backbone->init_weights(seed);
  for (const auto& item : backbone->named_parameters()) {
    const std::string& name = item.key();
    const Tensor& p = item.value();
    if (name == "pos_embed")
      p.copy_(nn::sincos_pos_embed(vit.grid(), vit.embed_dim, nn::SincosOrder::XFirst, vit.pos_prefix()));
    else if (name == "cls_token")
      nn::init_normal(p, 0.02, seed, name);
    else if (name == "patch_embed.proj.weight" || p.dim() == 2)
      nn::init_xavier(p, p[0].numel(), p.size(0), seed, name);
  }
  decoder->init_weights(seed);
  if (!gradient_decoder.is_empty()) gradient_decoder->init_weights(seed, "gradient_decoder");
}

Tensor MaeNetImpl::encode(const Tensor& images_BCHW, const Tensor& visible_BK, const std::optional<nn::DropPathKey>& drop_path) {
  nn::VitPass pass;
  pass.drop_path = drop_path;
  pass.visible_BK = {visible_BK};
  const Tensor tokens = backbone->forward_prenorm({images_BCHW}, pass).front();
  return backbone->normalise(at::cat({backbone->class_tokens(tokens).unsqueeze(1), backbone->patch_tokens(tokens)}, 1));
}

Tensor MaeNetImpl::decode(const Tensor& latent_BTD, const Tensor& restore_BN) {
  return decoder(latent_BTD.select(1, 0), latent_BTD.slice(1, 1), restore_BN);
}

Tensor MaeNetImpl::decode_gradients(const Tensor& latent_BTD, const Tensor& restore_BN) {
  return gradient_decoder(latent_BTD.select(1, 0), latent_BTD.slice(1, 1), restore_BN);
}

Mae::Mae(const MaeConfig& config, nn::EncoderSpec encoder, uint64_t seed) : config_(config), encoder_(std::move(encoder)), seed_(seed) {
  student_ = register_module("student", MaeNet(encoder_.vit(), decoder_shape(config_, encoder_.vit()), config_.gradient_weight > 0));
  student_->init_weights(seed_);
}

train::Loss Mae::forward(const data::ViewBatch& batch, const train::Progress&) {
  const std::vector<Tensor> groups = group_by_size(batch.views_BCHW);
  const auto& size = encoder_.vit().img_size;
  EOSIN_CHECK(groups.size() == 1 && groups[0].size(2) == size[0] && groups[0].size(3) == size[1], Shape,
              "[mae] a batch has views of {} sizes, the first [{}] (need all of {}x{})", groups.size(),
              groups.empty() ? "" : fmt::format("{}", fmt::join(groups[0].sizes().vec(), ", ")), size[0], size[1]);
  const Tensor& images = groups.front();
  const auto views = static_cast<int64_t>(batch.views_BCHW.size());
  const VisiblePatches chosen =
      choose_visible(patch_noise(batch, views, encoder_.vit().grid().count(), seed_), config_.mask_ratio).to(images.device());

  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const Tensor latent = student_->encode(images, chosen.visible_BK, drop_path);
  const int64_t patch = encoder_.vit().patch_size;
  train::Loss loss;
  add_reconstruction(loss, student_->decode(latent, chosen.restore_BN), images, patch, chosen.mask_BN,
                     {config_.norm_pix, 1, config_.fourier_weight, config_.fourier_norm});
  if (config_.gradient_weight > 0) {
    const Tensor steepness = student_->decode_gradients(latent, chosen.restore_BN), target = patchify(gradient_map(images), patch);
    const Tensor term = mae_loss(steepness, target, chosen.mask_BN, /*norm_pix=*/false) * config_.gradient_weight;
    loss.total = loss.total + term;
    loss.parts.emplace_back("gradient", term.detach());
  }
  return loss;
}

Illustration Mae::illustrate(const data::ViewBatch& batch) {
  const at::NoGradGuard no_grad;
  const Tensor& images = batch.views_BCHW.front();
  const int64_t patch = encoder_.vit().patch_size;
  const VisiblePatches chosen = choose_visible(patch_noise(batch, 1, encoder_.vit().grid().count(), seed_), config_.mask_ratio).to(images.device());
  const Tensor pred = student_->decode(student_->encode(images, chosen.visible_BK), chosen.restore_BN);
  const Tensor rebuilt = completed_images(images, pred, chosen.mask_BN, patch, config_.norm_pix);
  return {"mae_reconstruction",
          "image, what the encoder sees, reconstruction (visible patches as they are)",
          {images, hide_patches(images, chosen.mask_BN, patch), rebuilt}};
}

std::vector<train::ParamGroup> Mae::param_groups() {
  return student_groups(*student_, [](const std::string&) { return optim::no_decay_rule({}); });
}

State Mae::state() { return method_state(*this, encoder_); }

void Mae::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
