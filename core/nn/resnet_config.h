#pragma once
// What a residual network (He et al. 2016, arXiv:1512.03385) is.
#include "core/base/config.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct ResNetConfig {
  static constexpr const char* kFamily = "resnet";
  std::vector<int64_t> img_size = {224, 224};
  std::string block = "bottleneck";
  std::vector<int64_t> depths = {3, 4, 6, 3};
  int64_t in_chans = 3, width = 64;

  void visit(config::Visitor& v) {
    v("img_size", img_size, "height and width of the images that it was made for", config::Length{2, 2}, config::Range{1, 65536});
    v("block", block, "two convolutions of 3, or one of 3 between two of 1", config::OneOf{{"basic", "bottleneck"}});
    v("depths", depths, "blocks of each stage", config::Length{4, 4}, config::Range{1, 1024});
    v("in_chans", in_chans, "channels of an image", config::Range{1, 4096});
    v("width", width, "channels of the stem; doubled in each stage after the first", config::Range{1, 65536});
  }

  /// Channels that leave a block, as a multiple of its inner width.
  int64_t expansion() const { return block == "basic" ? 1 : 4; }
  int64_t token_dim() const { return width * 8 * expansion(); }
  int64_t feature_dim() const { return token_dim(); }
  int64_t summary_dim() const { return token_dim(); }
  int64_t size_multiple() const { return 1; }
  int64_t least_size() const { return 1; }
  int64_t blocks() const { return depths[0] + depths[1] + depths[2] + depths[3]; }
  std::string layer_name(const std::string& parameter) const;
  /// Convolution, norm and activation of each layer of a block, and the sum.
  int64_t kept_elements(int64_t height, int64_t width_px) const;
  void check() const;
};

}  // namespace eosin::nn
