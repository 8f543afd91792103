#include "core/nn/token_merge.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace eosin::nn {
namespace {

Tensor range(int64_t begin, int64_t end, const Tensor& like) { return at::arange(begin, end, like.options().dtype(at::kLong)); }
Tensor normalized(const Tensor& x) { return x / x.norm(2, {-1}, true).clamp_min(1e-12); }
Tensor ranked(const Tensor& scores) { return at::argsort(scores, /*stable=*/true, -1, /*descending=*/true); }

/// Row i of `slots_M` for every sequence, as the source of a scatter.
Tensor rows(const Tensor& slots_M, int64_t batch) { return slots_M.unsqueeze(0).expand({batch, -1}); }

MergePlan unchanged(const Tensor& metric_BND) {
  const int64_t count = metric_BND.size(1);
  return {rows(range(0, count, metric_BND), metric_BND.size(0)), count};
}

/// [B, M, K] of square [B, N, N]: rows a_BM, columns b_BK.
Tensor block_of(const Tensor& square, const Tensor& a_BM, const Tensor& b_BK) {
  const Tensor some_rows = square.gather(1, a_BM.unsqueeze(-1).expand({-1, -1, square.size(2)}));
  return some_rows.gather(2, b_BK.unsqueeze(1).expand({-1, a_BM.size(1), -1}));
}

}  // namespace

void TokenMergeConfig::check(int64_t depth) const {
  EOSIN_CHECK(ratio >= 0.5 && ratio <= 1, Config, "[token_merge] ratio {} (need 0.5 to 1: a block merges tokens in pairs)", ratio);
  EOSIN_CHECK(margins.size() == 1 || static_cast<int64_t>(margins.size()) == depth, Config, "[token_merge] {} margins for {} blocks (need 1 or {})",
              margins.size(), depth, depth);
  EOSIN_CHECK(static_cast<int64_t>(r_of_block.size()) <= depth, Config, "[token_merge] r_of_block has {} numbers for {} blocks", r_of_block.size(),
              depth);
}

std::vector<int64_t> tome_schedule(int64_t r, double inflect, int64_t depth) {
  const auto lowest = static_cast<int64_t>(static_cast<double>(r) * (1.0 - inflect));
  const int64_t highest = 2 * r - lowest;
  const double step = depth > 1 ? static_cast<double>(highest - lowest) / static_cast<double>(depth - 1) : 0;
  std::vector<int64_t> schedule;
  for (int64_t i = 0; i < depth; ++i) schedule.push_back(static_cast<int64_t>(static_cast<double>(lowest) + step * static_cast<double>(i)));
  return schedule;
}

MergePlan tome_plan(const Tensor& metric_BND, int64_t r, bool class_token, bool distill_token) {
  const at::NoGradGuard no_grad;
  const int64_t batch = metric_BND.size(0), tokens = metric_BND.size(1);
  r = std::min(r, (tokens - (class_token ? 1 : 0) - (distill_token ? 1 : 0)) / 2);
  if (r <= 0) return unchanged(metric_BND);
  const Tensor unit = normalized(metric_BND);
  Tensor scores = unit.slice(1, 0, tokens, 2).matmul(unit.slice(1, 1, tokens, 2).transpose(1, 2));
  if (class_token) scores.select(1, 0).fill_(-std::numeric_limits<double>::infinity());
  if (distill_token) scores.select(2, 0).fill_(-std::numeric_limits<double>::infinity());
  const auto [best, partner] = scores.max(-1);
  const Tensor order = ranked(best), merged = order.slice(1, 0, r);
  Tensor kept = order.slice(1, r);
  if (class_token) kept = std::get<0>(kept.sort(1));
  const int64_t n_even = scores.size(1), n_odd = scores.size(2), n_kept = n_even - r;
  Tensor slots_of_kept = range(0, n_kept, metric_BND), slots_of_odd = range(n_kept, n_kept + n_odd, metric_BND);
  if (distill_token) {
    slots_of_kept.slice(0, 1) += 1;
    slots_of_odd[0] = 1;
  }
  const Tensor odd = rows(slots_of_odd, batch);
  Tensor slots = at::empty({batch, tokens}, kept.options());
  Tensor even = at::empty({batch, n_even}, kept.options());
  even.scatter_(1, kept, rows(slots_of_kept, batch)).scatter_(1, merged, odd.gather(1, partner.gather(1, merged)));
  slots.slice(1, 0, tokens, 2).copy_(even);
  slots.slice(1, 1, tokens, 2).copy_(odd);
  return {slots, tokens - r};
}

MergePlan pitome_plan(const Tensor& metric_BND, double ratio, double margin, double alpha, bool class_token, bool whole_list) {
  EOSIN_CHECK(ratio >= 0.5, Config, "[token_merge] ratio {} (need at least 0.5: a block merges tokens in pairs)", ratio);
  const at::NoGradGuard no_grad;
  const int64_t batch = metric_BND.size(0), first = class_token ? 1 : 0, tokens = metric_BND.size(1) - first;
  const auto r = static_cast<int64_t>(std::floor(static_cast<double>(tokens) - static_cast<double>(tokens) * ratio));
  if (ratio >= 1 || tokens < 2 || (r == 0 && !whole_list)) return unchanged(metric_BND);
  const Tensor unit = normalized(metric_BND.slice(1, first)), similarity = unit.matmul(unit.transpose(1, 2));
  const Tensor order = ranked(at::elu(similarity - margin, alpha).mean(-1));
  const int64_t mergeable = whole_list ? tokens : 2 * r;
  const Tensor even = order.slice(1, 0, mergeable, 2), odd = order.slice(1, 1, mergeable, 2);
  const auto [best, partner] = block_of(similarity, even, odd).max(-1);
  const Tensor by_score = ranked(best), merged = by_score.slice(1, 0, r);
  const Tensor kept = whole_list ? even.gather(1, by_score.slice(1, r)) : order.slice(1, mergeable);
  const int64_t first_odd = first + kept.size(1), count = first_odd + odd.size(1);
  Tensor slots = at::empty({batch, tokens}, order.options());
  slots.scatter_(1, kept, rows(range(first, first_odd, order), batch));
  slots.scatter_(1, odd, rows(range(first_odd, count, order), batch));
  slots.scatter_(1, even.gather(1, merged), partner.gather(1, merged) + first_odd);
  if (class_token) slots = at::cat({at::zeros({batch, 1}, slots.options()), slots}, 1);
  return {slots, count};
}

MergePlan with_kept_tokens(const MergePlan& plan, int64_t at, int64_t count) {
  const Tensor &slots = plan.slots_BN, own = rows(range(at, at + count, slots), slots.size(0));
  return {at::cat({slots.slice(1, 0, at), own, slots.slice(1, at) + count}, 1), plan.count + count};
}

MergedTokens merge_tokens(const MergePlan& plan, const Tensor& tokens_BND, const Tensor& size_BN1) {
  const int64_t batch = tokens_BND.size(0), width = tokens_BND.size(2);
  const Tensor slots = plan.slots_BN.unsqueeze(-1);
  const Tensor size = at::zeros({batch, plan.count, 1}, size_BN1.options()).scatter_add(1, slots, size_BN1);
  const Tensor weighted = tokens_BND * size_BN1;
  const Tensor sum = at::zeros({batch, plan.count, width}, weighted.options()).scatter_add(1, slots.expand({-1, -1, width}), weighted);
  return {(sum / size).to(tokens_BND.scalar_type()), size};
}

Tensor merge_sources(const MergePlan& plan) {
  return plan.slots_BN.unsqueeze(1).eq(range(0, plan.count, plan.slots_BN).view({1, -1, 1})).to(at::kByte);
}

}  // namespace eosin::nn
