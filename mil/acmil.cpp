#include "mil/acmil.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "mil/attention_pool.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::mil {
namespace {

constexpr double kMasked = -1e9;

Tensor draw_noise(int64_t branches, int64_t r, DrawKey key) {
  Tensor noise = at::empty({branches, r}, at::kFloat);
  RandomStream draw(key.seed, key.position, 0, RandomOp::kMask);
  float* out = noise.mutable_data_ptr<float>();
  for (int64_t i = 0; i < noise.numel(); ++i) out[i] = draw.uniform();
  return noise;
}

}  // namespace

Tensor mask_top_scores(const Tensor& scores_NK, const Tensor& noise_Kr, double mask_drop) {
  const int64_t branches = scores_NK.size(1), r = noise_Kr.size(1);
  EOSIN_CHECK(noise_Kr.dim() == 2 && noise_Kr.size(0) == branches && r <= scores_NK.size(0), Shape,
              "[acmil] noise is [{}] (need [{}, r], r at most {})", fmt::join(noise_Kr.sizes().vec(), ", "), branches, scores_NK.size(0));
  const auto dropped = static_cast<int64_t>(static_cast<double>(r) * mask_drop);
  if (dropped == 0) return scores_NK;
  std::vector<Tensor> columns;
  for (int64_t k = 0; k < branches; ++k) {
    const Tensor top_r = top_indices(scores_NK.select(1, k).detach(), r);
    const Tensor ranks = std::get<1>(noise_Kr[k].sort(/*stable=*/true, 0, false)).narrow(0, 0, dropped).to(top_r.device());
    columns.push_back(scores_NK.select(1, k).index_fill(0, top_r.index_select(0, ranks), kMasked));
  }
  return at::stack(columns, 1);
}

Tensor attention_diversity(const Tensor& attention_KN) {
  const int64_t k = attention_KN.size(0);
  if (k == 1) return at::zeros({}, attention_KN.options());
  const Tensor unit_KN = attention_KN / attention_KN.norm(2, 1, true).clamp_min(1e-8);
  const Tensor cosines = unit_KN.matmul(unit_KN.t());
  return cosines.triu(1).sum() / (static_cast<double>(k * (k - 1)) / 2);
}

Acmil::Acmil(const AcmilConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      in_dim_(in_dim),
      fc1_(add_linear(*this, "dimreduction.fc1", in_dim, config.dim, false)),
      slide_(add_linear(*this, "Slide_classifier.fc", config.dim, n_outputs)),
      attention_(*this, {config.dim, config.attention_dim, config.n_token, true, true, "tanh"},
                 {"attention.attention_V.0", "attention.attention_U.0", "attention.attention_weights"}) {
  for (int64_t k = 0; k < config.n_token; ++k) classifiers_.push_back(add_linear(*this, fmt::format("classifier.{}.fc", k), config.dim, n_outputs));
}

Tensor Acmil::branch_logits(const Tensor& embedding_BKE) {
  std::vector<Tensor> logits;
  for (int64_t k = 0; k < config_.n_token; ++k) logits.push_back(classifiers_[static_cast<size_t>(k)](embedding_BKE.select(1, k)));
  return at::stack(logits, 1).flatten(0, 1);
}

HeadOutput Acmil::forward_with_noise(const BagBatch& bags, const std::vector<Tensor>& noise_Kr) {
  check_bags(bags, in_dim_);
  const Tensor h_NE = project(fc1_, bags.features_ND).relu();
  Tensor scores_NK = attention_(h_NE);
  if (!noise_Kr.empty()) {
    std::vector<Tensor> parts = split_bags(scores_NK, bags.offsets);
    for (size_t b = 0; b < parts.size(); ++b) parts[b] = mask_top_scores(parts[b], noise_Kr[b], config_.mask_drop);
    scores_NK = at::cat(parts);
  }
  const Pooled pooled = attention_pool(scores_NK, h_NE, bags.offsets);
  HeadOutput out;
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
  out.embedding_BE = pooled.embedding_BKE.mean(1);  // of the mean attention
  out.logits_BC = slide_(out.embedding_BE);
  if (config_.n_token == 1) return out;
  std::vector<Tensor> diversity;
  for (const Tensor& of_bag : split_bags(out.attention_KN.t(), bags.offsets)) diversity.push_back(attention_diversity(of_bag.t()));
  out.branches.push_back(
      {"branches", 1, branch_logits(pooled.embedding_BKE), at::arange(bags.n_bags(), at::kLong).repeat_interleave(config_.n_token)});
  out.losses.push_back({"diversity", config_.diversity_weight, at::stack(diversity)});
  return out;
}

HeadOutput Acmil::forward(const BagBatch& bags, const Pass& pass) {
  std::vector<Tensor> noise;
  if (pass.draws && config_.n_masked_patch > 0)
    for (int64_t b = 0; b < bags.n_bags(); ++b)
      noise.push_back(draw_noise(config_.n_token, std::min(config_.n_masked_patch, bags.size(b)), *pass_of_bag(pass, b).draws));
  return forward_with_noise(bags, noise);
}

}  // namespace eosin::mil
