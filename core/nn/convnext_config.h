#pragma once
// What a ConvNeXt (Liu et al. 2022, arXiv:2201.03545) is.
#include "core/base/config.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct ConvNextConfig {
  static constexpr const char* kFamily = "convnext";
  std::vector<int64_t> img_size = {224, 224};
  std::vector<int64_t> depths = {3, 3, 9, 3}, dims = {96, 192, 384, 768};
  int64_t in_chans = 3;
  double init_values = 1e-6, norm_eps = 1e-6, drop_path_rate = 0;
  bool drop_path_uniform = false;

  void visit(config::Visitor& v) {
    v("img_size", img_size, "height and width of the images that it was made for", config::Length{2, 2}, config::Range{1, 65536});
    v("depths", depths, "blocks of each stage", config::Length{4, 4}, config::Range{1, 1024});
    v("dims", dims, "channels of each stage", config::Length{4, 4}, config::Range{1, 65536});
    v("in_chans", in_chans, "channels of an image", config::Range{1, 4096});
    v("init_values", init_values, "initial LayerScale", config::Range{0, 10});
    v("norm_eps", norm_eps, "eps of every layer norm", config::Range{0, 1, config::kOpenLow});
    v("drop_path_rate", drop_path_rate, "stochastic depth", config::Range{0, 1, config::kOpenHigh});
    v("drop_path_uniform", drop_path_uniform, "the same rate in every block; else from 0 linearly to the rate");
  }

  int64_t token_dim() const { return dims.back(); }
  int64_t feature_dim() const { return token_dim(); }
  int64_t summary_dim() const { return token_dim(); }
  int64_t size_multiple() const { return 4; }
  int64_t least_size() const { return 32; }
  int64_t blocks() const { return depths[0] + depths[1] + depths[2] + depths[3]; }
  std::string layer_name(const std::string& parameter) const;
  /// Convolution, norm, the two widths inside, LayerScale and sum of each block.
  int64_t kept_elements(int64_t height, int64_t width) const;
  void check() const;
};

}  // namespace eosin::nn
