#include "mil/nystrom_attention.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace eosin::mil {
namespace {

/// Runs of `length` rows become their sums.
Tensor run_sums(const Tensor& x_BHnd, int64_t runs) { return x_BHnd.unflatten(2, {runs, x_BHnd.size(2) / runs}).sum(3); }

/// Logits of pairs where not both are tokens are as low as float32 goes.
Tensor masked(const Tensor& logits, const Tensor& rows, const Tensor& columns) {
  const Tensor both = rows.unsqueeze(1).unsqueeze(3).logical_and(columns.unsqueeze(1).unsqueeze(2));
  return logits.masked_fill(both.logical_not(), -std::numeric_limits<float>::max());
}

}  // namespace

NystromAttentionImpl::NystromAttentionImpl(const NystromOptions& options) : options_(options) {
  const int64_t inner = options.heads * options.dim_head;
  EOSIN_CHECK(options.residual_conv_kernel % 2 == 1, Config, "[nystrom_attention] residual_conv_kernel {} is even (need an odd number)",
              options.residual_conv_kernel);
  to_qkv = add_linear(*this, "to_qkv", options.dim, 3 * inner, false);
  to_out = add_linear(*this, "to_out.0", inner, options.dim);
  if (!options.residual) return;
  const int64_t k = options.residual_conv_kernel;
  res_conv = register_module(
      "res_conv",
      torch::nn::Conv2d(torch::nn::Conv2dOptions(options.heads, options.heads, {k, 1}).padding({k / 2, 0}).groups(options.heads).bias(false)));
}

NystromAttentionImpl::Heads NystromAttentionImpl::project_heads(const Tensor& x_BnD, const Tensor& mask_Bn) {
  const int64_t n = x_BnD.size(1), m = options_.num_landmarks;
  const int64_t padding = options_.exact ? 0 : (m - n % m) % m;
  const Tensor x = padding > 0 ? at::constant_pad_nd(x_BnD, {0, 0, padding, 0}) : x_BnD;
  Tensor mask = mask_Bn;
  if (mask.defined() && padding > 0) mask = at::constant_pad_nd(mask, {padding, 0}, 0);
  Tensor qkv = to_qkv(x).unflatten(2, {3, options_.heads, options_.dim_head}).permute({2, 0, 3, 1, 4});
  if (mask.defined()) qkv = qkv * mask.unsqueeze(1).unsqueeze(3).to(qkv.scalar_type());
  return {qkv[0] * (1 / std::sqrt(static_cast<double>(options_.dim_head))), qkv[1], qkv[2], mask, padding};
}

Tensor NystromAttentionImpl::pseudo_inverse(const Tensor& a) const {
  const Tensor rows = a.abs().sum(-1), columns = a.abs().sum(-2);
  const auto largest = [&](const Tensor& sums_BHm) {
    if (options_.pinv_scale == "global") return sums_BHm.max();
    return options_.pinv_scale == "bag" ? sums_BHm.amax({1, 2}, true).unsqueeze(-1) : sums_BHm.amax({2}, true).unsqueeze(-1);
  };
  Tensor z = a.transpose(-1, -2) / (largest(rows) * largest(columns));
  const Tensor eye = at::eye(a.size(-1), a.options());
  for (int64_t i = 0; i < options_.pinv_iterations; ++i) {
    const Tensor az = a.matmul(z);
    z = 0.25 * z.matmul(13 * eye - az.matmul(15 * eye - az.matmul(7 * eye - az)));
  }
  return z;
}

NystromAttentionImpl::Factors NystromAttentionImpl::factors(const Heads& heads) const {
  const int64_t m = options_.num_landmarks, run = heads.q.size(2) / m;
  Tensor landmarks_q = run_sums(heads.q, m), landmarks_k = run_sums(heads.k, m), counts_Bm;
  if (heads.mask.defined()) {
    counts_Bm = heads.mask.unflatten(1, {m, run}).sum(2);
    const Tensor divisor = counts_Bm.unsqueeze(1).unsqueeze(3).to(heads.q.scalar_type()) + options_.eps;
    landmarks_q = landmarks_q / divisor, landmarks_k = landmarks_k / divisor;
  } else {
    landmarks_q = landmarks_q / static_cast<double>(run), landmarks_k = landmarks_k / static_cast<double>(run);
  }
  Tensor of_queries = heads.q.matmul(landmarks_k.transpose(2, 3)), middle = landmarks_q.matmul(landmarks_k.transpose(2, 3)),
         of_keys = landmarks_q.matmul(heads.k.transpose(2, 3));
  if (heads.mask.defined()) {
    const Tensor is_landmark = counts_Bm.gt(0);
    of_queries = masked(of_queries, heads.mask, is_landmark);
    middle = masked(middle, is_landmark, is_landmark);
    of_keys = masked(of_keys, is_landmark, heads.mask);
  }
  return {of_queries.softmax(-1), pseudo_inverse(middle.softmax(-1)), of_keys.softmax(-1)};
}

Tensor NystromAttentionImpl::forward(const Tensor& x_BnD, const Tensor& mask_Bn) {
  EOSIN_CHECK(x_BnD.dim() == 3 && x_BnD.size(2) == options_.dim, Shape, "[nystrom_attention] tokens are [{}] (need [B, n, {}])",
              fmt::join(x_BnD.sizes().vec(), ", "), options_.dim);
  EOSIN_CHECK(!mask_Bn.defined() || mask_Bn.sizes() == x_BnD.sizes().slice(0, 2), Shape, "[nystrom_attention] the mask is [{}] (need [B, n])",
              fmt::join(mask_Bn.sizes().vec(), ", "));
  const FullPrecision full_precision;
  const int64_t n = x_BnD.size(1);
  const Heads heads = project_heads(x_BnD, mask_Bn);
  Tensor mixed;
  if (options_.exact) {
    std::optional<Tensor> allowed;
    if (heads.mask.defined()) allowed = heads.mask.unsqueeze(1).unsqueeze(2);
    mixed = at::scaled_dot_product_attention(heads.q, heads.k, heads.v, allowed, 0, false, 1.0);
  } else {
    const Factors f = factors(heads);
    mixed = f.of_queries.matmul(f.middle).matmul(f.of_keys.matmul(heads.v));
  }
  if (options_.residual) mixed = mixed + res_conv(heads.v);
  const Tensor y = to_out(mixed.transpose(1, 2).flatten(2));
  return y.narrow(1, options_.keep == "first" ? 0 : heads.padding, n);
}

Tensor NystromAttentionImpl::attention_row(const Tensor& x_1nD, int64_t row) {
  const at::NoGradGuard no_grad;
  const FullPrecision full_precision;
  const Heads heads = project_heads(x_1nD, {});
  const int64_t at = heads.padding + row;
  if (options_.exact) return heads.q.narrow(2, at, 1).matmul(heads.k.transpose(2, 3)).softmax(-1)[0].squeeze(1);
  const Factors f = factors(heads);
  return f.of_queries.narrow(2, at, 1).matmul(f.middle).matmul(f.of_keys)[0].squeeze(1).narrow(1, heads.padding, x_1nD.size(1));
}

}  // namespace eosin::mil
