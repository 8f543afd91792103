#pragma once
#include "core/base/config.h"
#include "core/nn/block.h"

#include <torch/nn/modules/container/modulelist.h>

namespace eosin::ssl {

struct MaeDecoderShape {
  int64_t in_dim = 384, dim = 512, depth = 8, num_heads = 16, mlp_hidden = 2048;
  int64_t patch_size = 16, in_chans = 3;
  nn::PatchGrid grid{14, 14};
};

/// Adds a problem for a width that no positions or heads fit, naming those that do.
void check_decoder_dim(int64_t dim, int64_t num_heads, config::Problems& problems);

/// The decoder of a masked autoencoder (He et al. 2021, arXiv:2111.06377): features of the visible patches and a mask token for each removed one,
/// put in place with fixed sine-cosine positions, through transformer blocks to pixels.
/// Parameters `embed.*`, `mask_token`, `pos_embed` (not trained), `blocks.i.*`, `norm.*`, `pred.*`.
///
/// On another grid than its own the positions are resampled.
/// Shapes   cls_BD, visible_BKD, restore_BN (VisiblePatches) -> pixels [B, N, p p C] in the order of patchify().
/// Errors   Config if dim is no multiple of 4 or of the heads.
/// Checked  golden ssl.mae.
class MaeDecoderImpl : public torch::nn::Module {
 public:
  explicit MaeDecoderImpl(const MaeDecoderShape& shape);
  /// Linears Xavier-uniform with bias 0, mask token normal 0.02, positions sine-cosine.
  /// Decoders of other names draw other numbers.
  void init_weights(uint64_t seed, const std::string& decoder = "decoder");
  Tensor forward(const Tensor& cls_BD, const Tensor& visible_BKD, const Tensor& restore_BN, std::optional<nn::PatchGrid> grid = {});

 private:
  MaeDecoderShape shape_;
  torch::nn::Linear embed{nullptr}, pred{nullptr};
  Tensor mask_token, pos_embed;
  torch::nn::ModuleList blocks{nullptr};
  torch::nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(MaeDecoder);

}  // namespace eosin::ssl
