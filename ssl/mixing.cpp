#include "ssl/mixing.h"

#include "core/base/rng.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::ssl {
namespace {

/// The logarithm of a Gamma(alpha, 1) variate (Marsaglia and Tsang 2000); in logarithms, so that small alphas do not underflow.
double log_gamma_variate(double alpha, RandomStream& stream) {
  const double boost = std::log(1 - stream.uniform_double()) / alpha;  // Gamma(a) = Gamma(a + 1) U^(1 / a), for any a
  const double d = alpha + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = stream.normal(), v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    const double u = 1 - stream.uniform_double();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v) + boost;
  }
}

double beta_variate(double alpha, RandomStream& stream) {
  const double a = log_gamma_variate(alpha, stream), b = log_gamma_variate(alpha, stream);
  return 1 / (1 + std::exp(b - a));
}

/// Zero in a box of 1 - share of the picture around a random centre, as far as it lies inside.
void cut(const Tensor& weight_HW, double share, RandomStream& stream) {
  const int64_t height = weight_HW.size(0), width = weight_HW.size(1);
  const double side = std::sqrt(1 - share);
  const auto span = [&](int64_t length) {
    const auto half = static_cast<int64_t>(static_cast<double>(length) * side) / 2;
    const auto centre = static_cast<int64_t>(stream.below(static_cast<uint32_t>(length)));
    return std::pair{std::max<int64_t>(centre - half, 0), std::min(centre + half, length)};
  };
  const auto [top, bottom] = span(height);
  const auto [left, right] = span(width);
  weight_HW.slice(0, top, bottom).slice(1, left, right).zero_();
}

void draw_weights(const MixConfig& config, const Tensor& weight_HW, RandomStream stream) {
  if (stream.uniform_double() >= config.mix_probability) return;
  const bool both = config.mixup_alpha > 0 && config.cutmix_alpha > 0;
  const bool cuts = both ? stream.uniform_double() < config.cutmix_share : config.cutmix_alpha > 0;
  const double share = beta_variate(cuts ? config.cutmix_alpha : config.mixup_alpha, stream);
  if (cuts)
    cut(weight_HW, share, stream);
  else
    weight_HW.fill_(share);
}

}  // namespace

void MixConfig::visit(config::Visitor& v) {
  const config::Range alpha{0, 100}, share{0, 1};
  v("mixup_alpha", mixup_alpha, "mixup: shares of two pictures from Beta(alpha, alpha); 0: none", alpha);
  v("cutmix_alpha", cutmix_alpha, "CutMix: a box of another picture, its area from Beta(alpha, alpha); 0: none", alpha);
  v("mix_probability", mix_probability, "of a pair being mixed", share);
  v("cutmix_share", cutmix_share, "where both are on, share of the mixed pairs that CutMix gets", share);
}

Tensor Mix::pictures(const Tensor& view_BCHW) const {
  const Tensor weight = weight_B1HW.to(view_BCHW.options());
  const Tensor others = view_BCHW.index_select(0, at::tensor(partner, at::kLong).to(view_BCHW.device()));
  return weight * view_BCHW + (1 - weight) * others;
}

Tensor Mix::targets(const Tensor& labels_B, int64_t classes) const {
  const Tensor own = at::one_hot(labels_B, classes).to(at::kDouble), share = share_B.to(labels_B.device()).unsqueeze(1);
  return share * own + (1 - share) * own.index_select(0, at::tensor(partner, at::kLong).to(labels_B.device()));
}

Mix draw_mix(const MixConfig& config, int64_t batch, int64_t height, int64_t width, uint64_t seed, int64_t first, uint32_t view) {
  Mix mix;
  mix.weight_B1HW = at::ones({batch, 1, height, width}, at::kDouble);
  for (int64_t i = 0; i < batch; ++i) {
    const int64_t position = first + i, other = (position ^ 1) - first;
    const bool alone = other < 0 || other >= batch;
    mix.partner.push_back(alone ? i : other);
    if (!alone) draw_weights(config, mix.weight_B1HW[i][0], RandomStream(seed, static_cast<uint64_t>(position) >> 1, view, RandomOp::kMix));
  }
  mix.share_B = mix.weight_B1HW.mean({1, 2, 3});
  return mix;
}

}  // namespace eosin::ssl
