#pragma once
// What turns a picture into a feature: an encoder with its own transform and a pooling, or a baseline that every claim stands beside.
#include "core/nn/token_merge.h"
#include "core/tensor/tensor.h"
#include "data/tile_reader.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>

namespace eosin::eval {

struct ExtractorConfig {
  std::string encoder;  // path, "random:<backbone>", or "color_statistics"
  std::string network = "auto";
  std::string pooling = "auto";
  nn::TokenMergeConfig token_merge;
  bool untrained = false;
  int64_t image_size_px = 0;
  bool grayscale = false;
  int64_t jpeg_quality = 0;
  double zoom = 1;
  int64_t seed = 0;
};

struct Extractor {
  std::string name;            // as asked for
  std::string weights_sha256;  // empty for statistics
  std::string transform;       // what was done to the picture and the tokens, one line
  int64_t dim = 0;
  data::EvalViewConfig view;
  std::function<Tensor(const Tensor& images_BCHW)> embed;  // float32 [B, dim], no gradient
};

/// path              the encoder there, its own mean, deviation, size, interpolation and centre crop; `untrained`: its architecture, fresh weights
/// random:vit_tiny   a backbone with fresh weights, at image_size_px (0: 224)
/// color_statistics  mean and deviation of R, G and B over the tile's central square: what colour alone knows
///
/// Pooling: auto (the encoder's own), cls, mean_patch, cls_mean (both, side by side), last4 (VitImpl::last_blocks of 4: for `linear_sgd`).
/// Errors   Config: unknown backbone, a pooling that the encoder has no token for, a size that the patch does not divide. As load_encoder.
/// Checked  tests/eval/test_features.cpp.
Extractor make_extractor(const ExtractorConfig& config, const data::TileStore& store, c10::Device device = c10::kCPU);

}  // namespace eosin::eval
