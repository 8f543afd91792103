#pragma once
// Pictures and labels mixed in pairs: mixup (Zhang et al. 2017, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899).
#include "core/base/config.h"
#include "core/tensor/tensor.h"

#include <vector>

namespace eosin::ssl {

/// Alphas of the Beta distributions that shares are drawn from; 0: not that one. DeiT: 0.8, 1, 1, 0.5.
struct MixConfig {
  double mixup_alpha = 0, cutmix_alpha = 0, mix_probability = 1, cutmix_share = 0.5;

  void visit(config::Visitor& v);
  bool on() const { return (mixup_alpha > 0 || cutmix_alpha > 0) && mix_probability > 0; }
};

/// How one view of a batch is mixed with that of each sample's partner: out = weight * own + (1 - weight) * partner's.
struct Mix {
  std::vector<int64_t> partner;  // in the batch; itself where it has none
  Tensor weight_B1HW;            // of the sample's own pixels
  Tensor share_B;                // its mean over the picture: of the sample's own label

  Tensor pictures(const Tensor& view_BCHW) const;
  /// Shapes   labels_B int64 -> [B, classes].
  Tensor targets(const Tensor& labels_B, int64_t classes) const;
};

/// The draws for `batch` samples from global position `first` on. Positions 2k and 2k + 1 are partners and share their draws (timm's mode
/// "pair"), so that ranks and threads change nothing; one whose partner is on another rank stays as it is.
///
/// Checked  tests/ssl/test_mixing.cpp: shares against the distribution, partners, ranks.
Mix draw_mix(const MixConfig& config, int64_t batch, int64_t height, int64_t width, uint64_t seed, int64_t first, uint32_t view);

}  // namespace eosin::ssl
