#include "mil/adaptive_regions.h"

#include "core/base/error.h"
#include "mil/attention_pool.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::mil {
namespace {

/// Coordinates in cells of the slide's box, 0 to `regions`, and the cell of each tile.
struct Cells {
  Tensor place_N2, cell_N;
};
Cells cells_of(const Tensor& coords_N2, int64_t regions) {
  const Tensor low = std::get<0>(coords_N2.min(0)), size = (std::get<0>(coords_N2.max(0)) - low).clamp_min(1);
  const Tensor place = (coords_N2 - low) / size * static_cast<double>(regions);
  const Tensor cell = place.floor().clamp_max(static_cast<double>(regions - 1)).to(at::kLong);
  return {place, cell.select(1, 1) * regions + cell.select(1, 0)};
}

}  // namespace

void AdaptiveRegionsConfig::validate(config::Problems& p) const {
  if (dim % heads != 0) p.add("dim", fmt::format("{} is no multiple of heads={}", dim, heads));
}

AdaptiveRegions::AdaptiveRegions(const AdaptiveRegionsConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  fc_ = add_linear(*this, "fc", in_dim, dim);
  norm_ = add_norm(*this, "norm", dim);
  region_query_ = add_linear(*this, "region_query", dim, dim);
  region_key_ = add_linear(*this, "region_key", dim, dim);
  qkv_ = add_linear(*this, "qkv", dim, 3 * dim);
  proj_ = add_linear(*this, "proj", dim, dim);
  attention_ = AttentionScores(*this, {dim, config.attention_dim, 1, true, true, "tanh"}, {"attention.a.0", "attention.b.0", "attention.c"});
  classifier_ = add_linear(*this, "classifier", dim, n_outputs);
}

Tensor AdaptiveRegions::refine(const Tensor& h_NE, const Tensor& coords_N2) {
  const Tensor y_NE = norm_(h_NE);
  const Cells cells = cells_of(coords_N2.to(h_NE.options()), config_.regions);
  const auto [ids, number_N, counts] = at::_unique2(cells.cell_N, /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/true);
  const int64_t regions = ids.numel(), k = std::min(config_.assigned, regions);
  const Tensor share = 1 / counts.to(h_NE.scalar_type()).unsqueeze(1);
  const auto means = [&](const Tensor& rows) { return at::zeros({regions, rows.size(1)}, rows.options()).index_add(0, number_N, rows) * share; };
  const Tensor away = cells.place_N2.unsqueeze(1) - means(cells.place_N2).unsqueeze(0);
  const Tensor similarity = region_key_(y_NE).matmul(region_query_(means(y_NE)).t()) / std::sqrt(static_cast<double>(h_NE.size(1)));
  const auto [logits_Nk, chosen_Nk] = (similarity - (away * away).sum(2)).topk(k, 1);
  const Tensor member_Nk = logits_Nk.softmax(1);
  const auto qkv = qkv_(y_NE).unflatten(1, {3, config_.heads, -1}).permute({1, 2, 0, 3}).unbind(0);
  Tensor mixed = at::zeros_like(h_NE);
  for (int64_t r = 0; r < regions; ++r) {
    const Tensor places = chosen_Nk.eq(r).flatten().nonzero().squeeze(1);
    if (places.numel() == 0) continue;
    const Tensor rows = places.floor_divide(k), member = member_Nk.flatten().index_select(0, places);
    const auto part = [&](size_t i) { return qkv[i].index_select(1, rows).unsqueeze(0); };
    const Tensor bias = member.clamp_min(1e-12).log().view({1, 1, 1, -1}).expand({1, config_.heads, rows.numel(), rows.numel()});
    const Tensor out = at::scaled_dot_product_attention(part(0), part(1), part(2), bias)[0].transpose(0, 1).flatten(1);
    mixed = mixed.index_add(0, rows, member.unsqueeze(1) * out);
  }
  return h_NE + proj_(mixed);
}

HeadOutput AdaptiveRegions::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  EOSIN_CHECK(bags.coords_N2.defined(), Data, "[adaptive_regions] {} has no coordinates", name_of(bags, 0));
  const Tensor h_NE = Dropout(pass, bags.offsets)(project(fc_, bags.features_ND).relu(), config_.dropout, 0);
  const auto rows = split_bags(h_NE, bags.offsets), coords = split_bags(bags.coords_N2, bags.offsets);
  std::vector<Tensor> refined;
  for (size_t b = 0; b < rows.size(); ++b) refined.push_back(refine(rows[b], coords[b]));
  const Tensor x_NE = at::cat(refined);
  const Pooled pooled = attention_pool(attention_(x_NE), x_NE, bags.offsets);
  HeadOutput out;
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
  out.embedding_BE = pooled.embedding_BKE.select(1, 0);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
