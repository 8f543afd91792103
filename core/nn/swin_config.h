#pragma once
// What a Swin transformer (Liu et al. 2021, arXiv:2103.14030) is.
#include "core/base/config.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct SwinConfig {
  static constexpr const char* kFamily = "swin";
  std::vector<int64_t> img_size = {224, 224};
  std::vector<int64_t> depths = {2, 2, 6, 2}, num_heads = {3, 6, 12, 24};
  int64_t embed_dim = 96, window = 7, in_chans = 3;
  std::string stem = "patch";
  double norm_eps = 1e-5, drop_path_rate = 0;
  bool drop_path_uniform = false;

  void visit(config::Visitor& v) {
    v("img_size", img_size, "height and width of the images that its windows were made for", config::Length{2, 2}, config::Range{4, 65536});
    v("depths", depths, "blocks of each stage", config::Length{4, 4}, config::Range{1, 1024});
    v("num_heads", num_heads, "attention heads of each stage", config::Length{4, 4}, config::Range{1, 1024});
    v("embed_dim", embed_dim, "width of the first stage; doubled in each later one", config::Range{1, 65536});
    v("window", window, "side of a window in tokens; a smaller grid is one window", config::Range{1, 1024});
    v("in_chans", in_chans, "channels of an image", config::Range{1, 4096});
    v("stem", stem, "patches of 4 pixels: one convolution, or three of a ConvStem with batch norm (CTransPath)", config::OneOf{{"patch", "conv"}});
    v("norm_eps", norm_eps, "eps of every layer norm", config::Range{0, 1, config::kOpenLow});
    v("drop_path_rate", drop_path_rate, "stochastic depth", config::Range{0, 1, config::kOpenHigh});
    v("drop_path_uniform", drop_path_uniform, "the same rate in every block; else from 0 linearly to the rate");
  }

  int64_t dim(size_t stage) const { return embed_dim << stage; }
  /// Side of stage i's grid, of an image side.
  static int64_t grid_side(int64_t pixels, size_t stage) { return (pixels / 4 + (int64_t{1} << stage) - 1) >> stage; }
  int64_t token_dim() const { return dim(3); }
  int64_t feature_dim() const { return token_dim(); }
  int64_t summary_dim() const { return token_dim(); }
  int64_t size_multiple() const { return 4; }
  int64_t least_size() const { return 4; }
  int64_t blocks() const { return depths[0] + depths[1] + depths[2] + depths[3]; }
  std::string layer_name(const std::string& parameter) const;
  /// As a vision transformer's, of each stage.
  int64_t kept_elements(int64_t height, int64_t width) const;
  void check() const;
};

}  // namespace eosin::nn
