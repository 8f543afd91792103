#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/nystrom_attention.h"
#include "mil/ppeg.h"

namespace eosin::mil {

struct TransMilConfig {
  int64_t dim = 512, heads = 8, pinv_iterations = 6, residual_conv_kernel = 33;
  std::optional<int64_t> num_landmarks;
  std::string attention = "nystrom", pinv_scale = "bag", compat;
  bool mask_padding = false;
  double dropout = 0.1;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of 8 and of heads", config::Range{8, 65536});
    v("heads", heads, "heads of attention, each dim / 8 wide", config::Range{1, 1024});
    v("attention", attention, "nystrom: through landmarks, as published; exact: plain softmax attention", config::OneOf{{"nystrom", "exact"}});
    v("num_landmarks", num_landmarks, "landmarks; by default dim / 2", config::Range{1, 65536});
    v("pinv_iterations", pinv_iterations, "iterations of the pseudo-inverse", config::Range{1, 100});
    v("pinv_scale", pinv_scale, "whose largest sums start it: the bag's (as published for one bag), or each head's",
      config::OneOf{{"bag", "global", "head"}});
    v("residual_conv_kernel", residual_conv_kernel, "taps of the convolution of the values, odd", config::Range{1, 1001});
    v("mask_padding", mask_padding, "keep the padding out of the first landmark (the published model lets it in)");
    v("dropout", dropout, "after each attention", config::Range{0, 1, config::kOpenHigh});
    v("compat", compat, "transmil_0.0.9: each token receives another's output, as in the release's nystrom-attention 0.0.9",
      config::OneOf{{"", "transmil_0.0.9"}});
  }
  void validate(config::Problems& p) const;
};

/// TransMIL (Shao et al. 2021, arXiv:2106.00908): a class token and two layers of attention with PPEG between them, on the tiles laid row by row
/// on a square that is filled up with copies of the first ones. Order-dependent: the file's order is the geometry.
/// Parameters as TransMIL's: `_fc1.0.*`, `cls_token`, `layer{1,2}.{norm, attn}.*`, `pos_layer.*`, `norm.*`, `_fc2.*`.
///
/// Shapes   features [N, in_dim]; attention [heads, N]: what the class token of layer 1 takes from each tile, not normalised over the tiles
///          alone, and only where gradients are off.
/// Differs  keeps the last rows of attention, as nystrom-attention 0.0.10 does, unless `compat` says otherwise; nothing couples bags.
/// Checked  golden mil.transmil, mil.varlen_batch; tests/mil/test_transmil.cpp.
class TransMil : public Head {
 public:
  TransMil(const TransMilConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

 private:
  struct Layer {
    LayerNorm norm{nullptr};
    NystromAttention attn{nullptr};
  };
  Layer make_layer(const std::string& name);
  Tensor attend(Layer& layer, const Tensor& x_1nD, const Pass& pass, uint32_t number);
  Tensor with_class_token(const Tensor& h_ND, int64_t side);

  TransMilConfig config_;
  int64_t in_dim_;
  Linear fc1_{nullptr}, fc2_{nullptr};
  Tensor cls_token_;
  Layer layer1_, layer2_;
  Ppeg pos_layer_{nullptr};
  LayerNorm norm_{nullptr};
};

}  // namespace eosin::mil
