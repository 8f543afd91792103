#include "mil/dilated_attention.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::mil {
namespace {

constexpr double kNotChosen = -1e8;

struct Attended {
  Tensor out, lse;  // [S, h, m, d], [S, h, m] without gradient
};

Attended attend(const Tensor& q, const Tensor& k, const Tensor& v) {
  if (q.is_cpu()) {
    const auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v);
    return {out, lse.detach()};
  }
  const Tensor logits = q.matmul(k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  return {logits.softmax(-1).matmul(v), logits.detach().logsumexp(-1)};
}

/// Where the tokens of a segmentation lie, for heads of one offset: [segments, m], the row of zeros (N) where there is none.
Tensor places(int64_t n, int64_t segment, int64_t ratio, int64_t offset) {
  const int64_t segments = (n + segment - 1) / segment, m = (segment + ratio - 1) / ratio;
  const Tensor within = at::arange(m, at::kLong) * ratio + offset;
  const Tensor at_SM = at::arange(segments, at::kLong).unsqueeze(1) * segment + within;
  return at::where(within.ge(segment).logical_or(at_SM.ge(n)), at::full({}, n, at::kLong), at_SM);
}

/// One pair (s, r) on q, k, v [B, N + 1, H, d] whose last row is zero: out [B, N, H, d] and lse [B, N, H].
struct Branch {
  Tensor out, lse;
};
Branch dilated(const std::vector<Tensor>& qkv, int64_t segment, int64_t ratio) {
  const int64_t batch = qkv[0].size(0), n = qkv[0].size(1) - 1, heads = qkv[0].size(2), per_offset = (heads + ratio - 1) / ratio;
  std::vector<Tensor> outs, lses;
  for (int64_t first = 0; first < heads; first += per_offset) {
    const int64_t count = std::min(per_offset, heads - first);
    const Tensor at_SM = places(n, segment, ratio, first / per_offset).to(qkv[0].device()), rows = at_SM.flatten();
    const auto segments = [&](const Tensor& x) {
      return x.narrow(2, first, count).index_select(1, rows).unflatten(1, at_SM.sizes()).flatten(0, 1).transpose(1, 2).contiguous();
    };
    const Attended a = attend(segments(qkv[0]), segments(qkv[1]), segments(qkv[2]));
    const Tensor out = a.out.transpose(1, 2).reshape({batch, rows.numel(), count, -1}),
                 lse = a.lse.transpose(1, 2).reshape({batch, rows.numel(), count});
    outs.push_back(at::zeros({batch, n + 1, count, out.size(3)}, out.options()).index_add(1, rows, out).narrow(1, 0, n));
    lses.push_back(at::full({batch, n + 1, count}, kNotChosen, lse.options()).index_copy(1, rows, lse).narrow(1, 0, n));
  }
  return {at::cat(outs, 2), at::cat(lses, 2)};
}

}  // namespace

DilatedAttentionImpl::DilatedAttentionImpl(const DilatedOptions& options) : options_(options) {
  EOSIN_CHECK(!options.segment_length.empty() && options.segment_length.size() == options.dilated_ratio.size(), Config,
              "[dilated_attention] {} segment lengths and {} ratios (need as many)", options.segment_length.size(), options.dilated_ratio.size());
  for (const auto* list : {&options.segment_length, &options.dilated_ratio})
    EOSIN_CHECK(*std::min_element(list->begin(), list->end()) > 0, Config, "[dilated_attention] lengths and ratios must be positive");
  EOSIN_CHECK(options.dim % options.heads == 0, Config, "[dilated_attention] width {} is no multiple of {} heads", options.dim, options.heads);
  for (auto [name, layer] : {std::pair{"q_proj", &q_proj_}, {"k_proj", &k_proj_}, {"v_proj", &v_proj_}, {"out_proj", &out_proj_}})
    *layer = add_linear(*this, name, options.dim, options.dim);
  if (options.subln) inner_attn_ln_ = add_norm(*this, "inner_attn_ln", options.dim, options.layernorm_eps);
}

Tensor DilatedAttentionImpl::forward(const Tensor& x_BNE) {
  EOSIN_CHECK(x_BNE.dim() == 3 && x_BNE.size(1) > 0 && x_BNE.size(2) == options_.dim, Shape, "[dilated_attention] tokens are [{}] (need [B, N, {}])",
              fmt::join(x_BNE.sizes().vec(), ", "), options_.dim);
  std::vector<Tensor> qkv;
  for (Linear* layer : {&q_proj_, &k_proj_, &v_proj_})
    qkv.push_back(at::constant_pad_nd((*layer)(x_BNE), {0, 0, 0, 1}).unflatten(2, {options_.heads, -1}));
  std::vector<Tensor> outs, lses;
  for (size_t i = 0; i < options_.segment_length.size(); ++i) {
    const Branch branch = dilated(qkv, std::min(options_.segment_length[i], x_BNE.size(1)), options_.dilated_ratio[i]);
    outs.push_back(branch.out), lses.push_back(branch.lse);
  }
  const Tensor weights = at::stack(lses).softmax(0).unsqueeze(-1).to(outs[0].scalar_type());
  Tensor y = (at::stack(outs) * weights).sum(0).flatten(2);
  if (!inner_attn_ln_.is_empty()) y = inner_attn_ln_(y);
  return out_proj_(y);
}

}  // namespace eosin::mil
