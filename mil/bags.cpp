#include "mil/bags.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace eosin::mil {
namespace {

std::vector<int64_t> sizes_of(const std::vector<int64_t>& offsets) {
  std::vector<int64_t> sizes;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) sizes.push_back(offsets[b + 1] - offsets[b]);
  return sizes;
}

/// A part that not all batches have is left undefined.
Tensor joined(const std::vector<BagBatch>& batches, Tensor BagBatch::*part) {
  std::vector<Tensor> parts;
  for (const BagBatch& b : batches) {
    if (!(b.*part).defined()) return {};
    parts.push_back(b.*part);
  }
  return at::cat(parts);
}

}  // namespace

std::string name_of(const BagBatch& bags, int64_t b) {
  const auto i = static_cast<size_t>(b);
  return i < bags.ids.size() ? fmt::format("bag '{}'", bags.ids[i]) : fmt::format("bag {}", b);
}

void check_bags(const BagBatch& bags, int64_t in_dim) {
  EOSIN_CHECK(bags.n_bags() > 0, Data, "[mil] the batch has no bag");
  for (int64_t b = 0; b < bags.n_bags(); ++b)
    EOSIN_CHECK(bags.size(b) > 0, Data, "[mil] {} is empty (need at least one tile); leave it out of the cohort", name_of(bags, b));
  const Tensor& x = bags.features_ND;
  EOSIN_CHECK(x.defined() && x.dim() == 2 && x.size(1) == in_dim, Shape, "[mil] features of {} are [{}] (need [N, {}], the head's in_dim)",
              name_of(bags, 0), x.defined() ? fmt::format("{}", fmt::join(x.sizes().vec(), ", ")) : "", in_dim);
  const int64_t rows = bags.offsets.back();
  EOSIN_CHECK(bags.offsets.front() == 0 && x.size(0) == rows, Shape, "[mil] {} rows of features for bags of {} rows", x.size(0), rows);
  const auto need_rows = [](const Tensor& part, int64_t wanted, const char* what) {
    EOSIN_CHECK(!part.defined() || (part.dim() > 0 && part.size(0) == wanted), Shape, "[mil] {} {} (need {})", part.size(0), what, wanted);
  };
  need_rows(bags.coords_N2, rows, "rows of coords");
  need_rows(bags.fragment_N, rows, "rows of fragment");
  need_rows(bags.labels_B, bags.n_bags(), "labels");
}

std::vector<Tensor> split_bags(const Tensor& x_N, const std::vector<int64_t>& offsets) {
  return offsets.size() == 2 ? std::vector<Tensor>{x_N} : x_N.split_with_sizes(sizes_of(offsets));
}

Tensor bag_index(const std::vector<int64_t>& offsets) {
  const Tensor sizes = at::tensor(sizes_of(offsets), at::kLong);
  return at::arange(sizes.numel(), at::kLong).repeat_interleave(sizes);
}

BagBatch one_bag(const BagBatch& bags, int64_t b) {
  const int64_t from = bags.offsets[static_cast<size_t>(b)], n = bags.size(b);
  const auto cut = [](const Tensor& t, int64_t start, int64_t rows) { return t.defined() ? t.narrow(0, start, rows) : t; };
  const auto i = static_cast<size_t>(b);
  BagBatch one{cut(bags.features_ND, from, n), {0, n}, cut(bags.coords_N2, from, n), cut(bags.fragment_N, from, n), cut(bags.labels_B, b, 1), {}, {}};
  if (i < bags.tile_size_px.size()) one.tile_size_px = {bags.tile_size_px[i]};
  if (i < bags.ids.size()) one.ids = {bags.ids[i]};
  return one;
}

BagBatch rows_of(const BagBatch& bag, const Tensor& rows_K) {
  EOSIN_ASSERT(bag.n_bags() == 1);
  BagBatch kept = bag;
  for (Tensor BagBatch::*part : {&BagBatch::features_ND, &BagBatch::coords_N2, &BagBatch::fragment_N})
    if ((bag.*part).defined()) kept.*part = (bag.*part).index_select(0, rows_K.to((bag.*part).device()));
  kept.offsets = {0, rows_K.numel()};
  return kept;
}

BagBatch pack_bags(const std::vector<BagBatch>& batches) {
  BagBatch all;
  all.features_ND = joined(batches, &BagBatch::features_ND);
  all.coords_N2 = joined(batches, &BagBatch::coords_N2);
  all.fragment_N = joined(batches, &BagBatch::fragment_N);
  all.labels_B = joined(batches, &BagBatch::labels_B);
  for (const BagBatch& b : batches) {
    const int64_t start = all.offsets.back();
    for (size_t i = 1; i < b.offsets.size(); ++i) all.offsets.push_back(start + b.offsets[i]);
    all.tile_size_px.insert(all.tile_size_px.end(), b.tile_size_px.begin(), b.tile_size_px.end());
    all.ids.insert(all.ids.end(), b.ids.begin(), b.ids.end());
  }
  const auto n = static_cast<size_t>(all.n_bags());
  if (all.tile_size_px.size() != n) all.tile_size_px.clear();
  if (all.ids.size() != n) all.ids.clear();
  return all;
}

BagBatch with_features(const BagBatch& bags, const Tensor& features_NE) {
  BagBatch other = bags;
  other.features_ND = features_NE;
  return other;
}

BagBatch from_padded(const Tensor& x_BMD, const Tensor& mask_BM) {
  EOSIN_CHECK(x_BMD.dim() == 3 && mask_BM.sizes() == x_BMD.sizes().slice(0, 2), Shape, "[mil] a mask of [{}] for padded bags of [{}] (need [B, M])",
              fmt::join(mask_BM.sizes().vec(), ", "), fmt::join(x_BMD.sizes().vec(), ", "));
  const Tensor is_row = mask_BM.ne(0);
  BagBatch bags;
  bags.features_ND = x_BMD.flatten(0, 1).index_select(0, is_row.flatten().nonzero().squeeze(1));
  const Tensor counts = is_row.sum(1).cpu();
  for (int64_t b = 0; b < counts.numel(); ++b) bags.offsets.push_back(bags.offsets.back() + counts[b].item<int64_t>());
  return bags;
}

Tensor top_indices(const Tensor& scores_N, int64_t k) {
  EOSIN_ASSERT(scores_N.dim() == 1 && k <= scores_N.numel());
  const at::NoGradGuard no_grad;
  if (k == 0) return at::empty({0}, scores_N.options().dtype(at::kLong));
  const Tensor least = std::get<0>(scores_N.topk(k)).min();
  const Tensor candidates = scores_N.ge(least).nonzero().squeeze(1);  // ascending
  const Tensor order = std::get<1>(scores_N.index_select(0, candidates).sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  return candidates.index_select(0, order.narrow(0, 0, k));
}

}  // namespace eosin::mil
