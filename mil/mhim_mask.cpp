#include "mil/mhim_mask.h"

#include "core/base/error.h"
#include "core/base/rng.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace eosin::mil {
namespace {

/// Ceilings of products in double, as numpy's.
int64_t ceil_of(int64_t n, double ratio) { return static_cast<int64_t>(std::ceil(static_cast<double>(n) * ratio)); }

/// A fraction so small that more than all tiles were candidates: all are, and the ratio itself is the fraction.
struct High {
  int64_t candidates;
  double fraction;
};
High high_part(int64_t n, const MhimRatios& r) {
  const double ratio = r.high / r.high_keep_fraction;
  return ratio > 1 ? High{n, r.high} : High{ceil_of(n, ratio), r.high_keep_fraction};
}

using Rows = std::vector<std::vector<double>>;

/// The k with most votes, in the order of votes, then of mean attention, then of index; each head votes for its k greatest.
std::vector<int64_t> voted(const Rows& heads, int64_t k, bool largest) {
  const size_t n = heads[0].size();
  const double sign = largest ? 1 : -1;
  std::vector<int64_t> votes(n, 0), order(n);
  std::vector<double> mean(n, 0);
  for (const auto& head : heads) {
    std::iota(order.begin(), order.end(), 0);
    const auto before = [&](int64_t a, int64_t b) { return sign * head[static_cast<size_t>(a)] > sign * head[static_cast<size_t>(b)]; };
    std::stable_sort(order.begin(), order.end(), before);
    for (int64_t i = 0; i < k; ++i) ++votes[static_cast<size_t>(order[static_cast<size_t>(i)])];
    for (size_t i = 0; i < n; ++i) mean[i] += sign * head[i];
  }
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    return votes[i] != votes[j] ? votes[i] > votes[j] : mean[i] > mean[j];
  });
  order.resize(static_cast<size_t>(k));
  return order;
}

/// Adds o[perm[0 ... count)].
void add_permuted(std::set<int64_t>& masked, const std::vector<int64_t>& o, const Tensor& perm, int64_t count) {
  EOSIN_CHECK(perm.defined() && perm.numel() == static_cast<int64_t>(o.size()), Shape, "[mhim] a permutation of {} (need {})",
              perm.defined() ? perm.numel() : 0, o.size());
  const Tensor p = perm.cpu().contiguous();
  for (int64_t i = 0; i < count; ++i) masked.insert(o.at(static_cast<size_t>(p.const_data_ptr<int64_t>()[i])));
}

Tensor draw_permutation(int64_t n, DrawKey key, uint32_t number) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  RandomStream draw(key.seed, key.position, number, RandomOp::kMask);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[static_cast<size_t>(i)], order[draw.below(static_cast<uint32_t>(i) + 1)]);
  return at::tensor(order, at::kLong);
}

}  // namespace

int64_t high_candidates(int64_t n, const MhimRatios& ratios) { return high_part(n, ratios).candidates; }

MhimPermutations draw_permutations(int64_t n, const MhimRatios& ratios, DrawKey key) {
  MhimPermutations p;
  if (ratios.random > 0) p.random = draw_permutation(n, key, 1);
  if (ratios.high > 0) p.high = draw_permutation(high_candidates(n, ratios), key, 2);
  return p;
}

MhimMask mhim_mask(const Tensor& attention_HN, const MhimRatios& ratios, const MhimPermutations& permutations) {
  EOSIN_CHECK(attention_HN.dim() == 2 && attention_HN.numel() > 0, Shape, "[mhim] attention is [{}] (need [heads, N])",
              fmt::join(attention_HN.sizes().vec(), ", "));
  const int64_t n = attention_HN.size(1);
  const Tensor attention = attention_HN.detach().cpu().to(at::kDouble).contiguous();
  Rows heads;
  for (int64_t h = 0; h < attention.size(0); ++h) {
    const double* row = attention.const_data_ptr<double>() + h * n;
    heads.emplace_back(row, row + n);
  }
  std::set<int64_t> masked;
  if (ratios.random > 0) add_permuted(masked, voted(heads, n, false), permutations.random, ceil_of(n, ratios.random));
  if (ratios.low > 0)
    for (const int64_t i : voted(heads, ceil_of(n, ratios.low), false)) masked.insert(i);
  if (ratios.high > 0) {
    const High high = high_part(n, ratios);
    const auto o = voted(heads, high.candidates, true);
    if (high.fraction >= 1)
      masked.insert(o.begin(), o.end());
    else
      add_permuted(masked, o, permutations.high, ceil_of(high.candidates, high.fraction));
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < n; ++i)
    if (!masked.count(i)) kept.push_back(i);
  return {at::tensor(std::vector<int64_t>(masked.begin(), masked.end()), at::kLong), at::tensor(kept, at::kLong)};
}

Tensor mhim_score(const Tensor& feature_NE, const Tensor& attention_N, const Tensor& weight_CE, const Tensor& bias_C) {
  return std::get<0>((at::linear(attention_N.unsqueeze(1) * feature_NE, weight_CE) + bias_C[0]).softmax(1).max(1));
}

}  // namespace eosin::mil
