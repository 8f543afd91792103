#include "eval/extractor.h"

#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/encoder.h"
#include "core/nn/vit.h"

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
  encoder.model = nn::make_backbone(spec.model);
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
  spec.model = nn::make_model_config(backbone);
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
  const std::vector<int64_t> own = spec.shown_size();
  const int64_t size = config.image_size_px > 0 ? config.image_size_px : own[0];
  EOSIN_CHECK(config.image_size_px > 0 || own[0] == own[1], Config, "[embed] the encoder's images are not square ({} x {}); set image_size_px",
              own[0], own[1]);
  const int64_t multiple = nn::size_multiple(spec.model), smaller = size / multiple * multiple;
  EOSIN_CHECK(size % multiple == 0, Config, "[embed] image_size_px must be a multiple of the patch size (got {}, patch {}); nearest: {} or {}", size,
              multiple, smaller, smaller + multiple);
  return size;
}

constexpr int64_t kLast = 4;  // blocks of pooling last4

Tensor pooled(nn::Backbone& model, const Tensor& images_BCHW, const std::string& pooling) {
  if (pooling == "auto") return model.forward(images_BCHW);
  if (pooling == "last4") return dynamic_cast<nn::VitImpl&>(model).last_blocks(images_BCHW, kLast);
  const nn::ImageTokens tokens = model.encode({images_BCHW}).front();
  if (pooling == "cls") return tokens.class_BD;
  return pooling == "mean_patch" ? tokens.mean_patch() : at::cat({tokens.class_BD, tokens.mean_patch()}, 1);
}

/// How many tokens a feature is made of.
int64_t tokens_of(const std::string& pooling) { return pooling == "last4" ? kLast + 1 : pooling == "cls_mean" ? 2 : 1; }

Extractor network(const ExtractorConfig& config, c10::Device device) {
  nn::Encoder loaded = config.encoder.starts_with(kRandom) ? random_encoder(config) : stored_encoder(config);
  const nn::ModelConfig& model = loaded.spec.model;
  const auto* vit = std::get_if<nn::VitConfig>(&model);
  EOSIN_CHECK((vit && vit->class_token) || config.pooling == "auto" || config.pooling == "mean_patch", Config,
              "[embed] pooling '{}' needs a class token, which this encoder has not; use mean_patch", config.pooling);
  EOSIN_CHECK(config.pooling != "last4" || vit->depth >= kLast, Config, "[embed] pooling last4 needs {} blocks (the encoder has {})", kLast,
              vit->depth);
  Extractor e;
  e.name = config.untrained ? "untrained:" + config.encoder : config.encoder;
  e.weights_sha256 = nn::weights_hash(nn::named_weights(*loaded.model));
  e.dim = config.pooling == "auto" ? nn::feature_dim(model) : nn::token_dim(model) * tokens_of(config.pooling);
  e.view.crop_px = image_size(config, loaded.spec);
  e.view.resize_px = std::lround(static_cast<double>(e.view.crop_px) / loaded.spec.crop_pct);
  e.view.filter = loaded.spec.interpolation;
  e.view.mean = loaded.spec.mean;
  e.view.std = loaded.spec.std;
  e.transform = fmt::format("resize {} {}, centre crop {}, mean {}, std {}, pooling {}", e.view.resize_px, e.view.filter, e.view.crop_px,
                            fmt::join(e.view.mean, " "), fmt::join(e.view.std, " "), config.pooling);
  if (vit && vit->token_merge.method != "none") e.transform += ", tokens merged by " + vit->token_merge.method;
  loaded.model->to(device);
  auto encoder = std::make_shared<nn::Encoder>(std::move(loaded));
  e.embed = [encoder, pooling = config.pooling](const Tensor& images_BCHW) {
    const at::NoGradGuard no_grad;
    return pooled(*encoder->model, images_BCHW, pooling).to(at::kFloat);
  };
  return e;
}

}  // namespace

Extractor make_extractor(const ExtractorConfig& config, const data::TileStore& store, c10::Device device) {
  Extractor e = config.encoder == "color_statistics" ? color_statistics(store) : network(config, device);
  e.view.grayscale = config.grayscale;
  e.view.jpeg_quality = config.jpeg_quality;
  e.view.zoom = config.zoom;
  if (config.grayscale) e.transform = "grey, " + e.transform;
  if (config.zoom != 1) e.transform = fmt::format("zoom {}, {}", config.zoom, e.transform);
  if (config.jpeg_quality > 0) e.transform = fmt::format("JPEG of quality {}, {}", config.jpeg_quality, e.transform);
  return e;
}

}  // namespace eosin::eval
