#include "eval/extractor.h"

#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace eosin::eval {
namespace {

constexpr const char* kRandom = "random:";

Extractor color_statistics(const data::TileStore& store) {
  Extractor e;
  e.name = "color_statistics";
  e.transform = "mean and deviation of R, G, B over the tile";
  e.dim = 6;
  e.view.resize_px = e.view.crop_px = std::min(store.format().tile_height, store.format().tile_width);
  e.view.mean = {0, 0, 0};
  e.view.std = {1, 1, 1};
  e.embed = [](const Tensor& images_BCHW) {
    const Tensor pixels_BCN = images_BCHW.to(at::kDouble).flatten(2);
    return at::cat({pixels_BCN.mean(2), pixels_BCN.std(2, /*unbiased=*/false)}, 1).to(at::kFloat);
  };
  return e;
}

nn::Encoder fresh(const nn::EncoderSpec& spec, int64_t seed) {
  nn::Encoder encoder;
  encoder.spec = spec;
  encoder.model = nn::Vit(spec.vit);
  encoder.model->init_weights(static_cast<uint64_t>(seed));
  encoder.model->eval();
  return encoder;
}

nn::Encoder random_encoder(const ExtractorConfig& config) {
  nn::BackboneConfig backbone;
  backbone.name = config.encoder.substr(std::string(kRandom).size());
  if (config.image_size_px > 0) backbone.image_size_px = config.image_size_px;
  nn::backbone(backbone.name);  // names the nearest where it is unknown
  nn::EncoderSpec spec;
  spec.vit = nn::make_vit_config(backbone);
  spec.vit.check();
  return fresh(spec, config.seed);
}

nn::Encoder stored_encoder(const ExtractorConfig& config) {
  nn::EncoderSource source;
  source.network = config.network;
  source.token_merge = config.token_merge;
  if (config.untrained) return fresh(nn::read_encoder(config.encoder, source).spec, config.seed);
  nn::Encoder encoder = nn::load_encoder(config.encoder, source);
  encoder.model->eval();
  return encoder;
}

int64_t image_size(const ExtractorConfig& config, const nn::EncoderSpec& spec) {
  const nn::VitConfig& vit = spec.vit;
  const std::vector<int64_t> own = spec.shown_size();
  const int64_t size = config.image_size_px > 0 ? config.image_size_px : own[0];
  EOSIN_CHECK(config.image_size_px > 0 || own[0] == own[1], Config, "[embed] the encoder's images are not square ({} x {}); set image_size_px",
              own[0], own[1]);
  EOSIN_CHECK(size % vit.patch_size == 0, Config, "[embed] image_size_px must be a multiple of the patch size (got {}, patch {}); nearest: {} or {}",
              size, vit.patch_size, size / vit.patch_size * vit.patch_size, (size / vit.patch_size + 1) * vit.patch_size);
  return size;
}

Tensor pooled(nn::Vit& model, const Tensor& images_BCHW, const std::string& pooling) {
  if (pooling == "auto") return model->forward(images_BCHW);
  const nn::MergedTokens merged = model->forward_merged({images_BCHW}).front();
  const Tensor tokens_BND = model->normalise(merged.tokens_BND);
  if (pooling == "cls") return model->class_tokens(tokens_BND);
  const Tensor mean_BD = model->mean_patch(tokens_BND, merged.size_BN1);
  return pooling == "mean_patch" ? mean_BD : at::cat({model->class_tokens(tokens_BND), mean_BD}, 1);
}

Extractor network(const ExtractorConfig& config, c10::Device device) {
  nn::Encoder loaded = config.encoder.starts_with(kRandom) ? random_encoder(config) : stored_encoder(config);
  const nn::VitConfig& vit = loaded.spec.vit;
  EOSIN_CHECK(vit.class_token || config.pooling == "auto" || config.pooling == "mean_patch", Config,
              "[embed] pooling '{}' needs a class token, which this encoder has not; use mean_patch", config.pooling);
  Extractor e;
  e.name = config.untrained ? "untrained:" + config.encoder : config.encoder;
  e.weights_sha256 = nn::weights_hash(nn::named_weights(*loaded.model));
  e.dim = config.pooling == "auto" ? vit.feature_dim() : config.pooling == "cls_mean" ? 2 * vit.embed_dim : vit.embed_dim;
  e.view.crop_px = image_size(config, loaded.spec);
  e.view.resize_px = std::lround(static_cast<double>(e.view.crop_px) / loaded.spec.crop_pct);
  e.view.filter = loaded.spec.interpolation;
  e.view.mean = loaded.spec.mean;
  e.view.std = loaded.spec.std;
  e.transform = fmt::format("resize {} {}, centre crop {}, mean {}, std {}, pooling {}", e.view.resize_px, e.view.filter, e.view.crop_px,
                            fmt::join(e.view.mean, " "), fmt::join(e.view.std, " "), config.pooling);
  if (vit.token_merge.method != "none") e.transform += ", tokens merged by " + vit.token_merge.method;
  loaded.model->to(device);
  auto encoder = std::make_shared<nn::Encoder>(std::move(loaded));
  e.embed = [encoder, pooling = config.pooling](const Tensor& images_BCHW) {
    const at::NoGradGuard no_grad;
    return pooled(encoder->model, images_BCHW, pooling).to(at::kFloat);
  };
  return e;
}

}  // namespace

Extractor make_extractor(const ExtractorConfig& config, const data::TileStore& store, c10::Device device) {
  Extractor e = config.encoder == "color_statistics" ? color_statistics(store) : network(config, device);
  e.view.grayscale = config.grayscale;
  if (config.grayscale) e.transform = "grey, " + e.transform;
  return e;
}

}  // namespace eosin::eval
