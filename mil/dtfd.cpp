#include "mil/dtfd.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "mil/attention_pool.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace eosin::mil {
namespace {

ScoreNames names_below(const std::string& path) { return {path + ".attention_V.0", path + ".attention_U.0", path + ".attention_weights"}; }

/// The number of the bag that each row of logits belongs to.
Tensor bag_of_rows(const std::vector<Tensor>& logits) {
  std::vector<int64_t> bag;
  for (size_t b = 0; b < logits.size(); ++b) bag.insert(bag.end(), static_cast<size_t>(logits[b].size(0)), static_cast<int64_t>(b));
  return at::tensor(bag, at::kLong);
}

Tensor mean_over(const std::vector<Dtfd::Tiers>& tiers, Tensor Dtfd::Tiers::*part) {
  std::vector<Tensor> parts;
  for (const Dtfd::Tiers& t : tiers) parts.push_back(t.*part);
  return at::stack(parts).mean(0);
}

/// Of several partitions: mean logits, vectors and attention; the pseudo-bags of the first.
Dtfd::Tiers mean_of(const std::vector<Dtfd::Tiers>& tiers) {
  using T = Dtfd::Tiers;
  return {tiers[0].sub_logits_GC, tiers[0].distilled_ME, mean_over(tiers, &T::logits_C), mean_over(tiers, &T::embedding_E),
          mean_over(tiers, &T::attention_N)};
}

}  // namespace

void DtfdConfig::validate(config::Problems& p) const {
  if (distill != "AFS" && total_instance < num_group)
    p.add("total_instance",
          fmt::format("{} tiles for {} pseudo-bags are less than one each (need at least {})", total_instance, num_group, num_group));
}

Partition draw_partition(int64_t n, int64_t groups, DrawKey key) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  RandomStream draw(key.seed, key.position, 0, RandomOp::kSubset);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[static_cast<size_t>(i)], order[draw.below(static_cast<uint32_t>(i) + 1)]);
  Partition partition{at::tensor(order, at::kLong), {0}};
  const int64_t parts = std::min(n, groups);
  for (int64_t g = 0; g < parts; ++g) partition.offsets.push_back(partition.offsets.back() + n / parts + (g < n % parts ? 1 : 0));
  return partition;
}

Dtfd::Dtfd(const DtfdConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config), in_dim_(in_dim), fc1_(add_linear(*this, "dim_reduction.fc1", in_dim, config.dim, false)) {
  for (int64_t r = 0; r < config.num_layer_res; ++r) {
    const std::string at = fmt::format("dim_reduction.resBlocks.{}.block.", r);
    blocks_.emplace_back(add_linear(*this, at + "0", config.dim, config.dim, false), add_linear(*this, at + "2", config.dim, config.dim, false));
  }
  const ScoreShape shape{config.dim, config.attention_dim, 1, true, true, "tanh"};
  attention_ = AttentionScores(*this, shape, names_below("attention"));
  classifier_ = add_linear(*this, "classifier.fc", config.dim, n_outputs);
  top_attention_ = AttentionScores(*this, shape, names_below("att_classifier.attention"));
  top_classifier_ = add_linear(*this, "att_classifier.classifier.fc", config.dim, n_outputs);
}

void Dtfd::init_weights(uint64_t seed) {
  seed_ = seed;
  init_layers(*this, "fan_in", seed);
}

Tensor Dtfd::embed(const Tensor& x_ND) {
  Tensor h = project(fc1_, x_ND).relu();
  for (auto& [first, second] : blocks_) h = h + second(first(h).relu()).relu();
  return h;
}

Tensor Dtfd::distil(const Tensor& h_nE, const Tensor& attention_n, const Tensor& pooled_E) {
  if (config_.distill == "AFS") return pooled_E.unsqueeze(0);
  const at::NoGradGuard no_grad;  // only the ranking
  const Tensor prob_nC = at::linear(attention_n.unsqueeze(1) * h_nE, classifier_->weight).softmax(1);
  const int64_t n = h_nE.size(0), t = std::min(n, config_.total_instance / config_.num_group);
  if (config_.distill == "MaxS") return top_indices(prob_nC.select(1, -1), t);
  const Tensor order = std::get<1>(prob_nC.select(1, -1).sort(/*stable=*/true, 0, /*descending=*/true));
  return at::cat({order.narrow(0, 0, t), order.narrow(0, n - t, t)});
}

Dtfd::Tiers Dtfd::forward_partition(const Tensor& x_ND, const Partition& partition) {
  const Tensor h_NE = embed(x_ND.index_select(0, partition.order_N.to(x_ND.device())));
  const Pooled groups = attention_pool(attention_(h_NE), h_NE, partition.offsets);
  const Tensor pooled_GE = groups.embedding_BKE.select(1, 0), attention_N = groups.attention_KN[0];
  const auto rows = split_bags(h_NE, partition.offsets), weights = split_bags(attention_N, partition.offsets);
  std::vector<Tensor> distilled;
  for (size_t g = 0; g < rows.size(); ++g) {
    const Tensor part = distil(rows[g], weights[g], pooled_GE[static_cast<int64_t>(g)]);
    distilled.push_back(config_.distill == "AFS" ? part : rows[g].index_select(0, part));
  }
  Tiers tiers;
  tiers.sub_logits_GC = classifier_(pooled_GE);
  tiers.distilled_ME = at::cat(distilled);
  const Tensor second_ME = config_.joint ? tiers.distilled_ME : tiers.distilled_ME.detach();
  tiers.embedding_E = attention_pool(top_attention_(second_ME), second_ME, {0, second_ME.size(0)}).embedding_BKE[0][0];
  tiers.logits_C = top_classifier_(tiers.embedding_E);
  const Tensor shares_N = attention_N.detach() / static_cast<double>(rows.size());
  tiers.attention_N = at::zeros_like(shares_N).index_copy(0, partition.order_N.to(shares_N.device()), shares_N);
  return tiers;
}

HeadOutput Dtfd::as_output(const std::vector<Tiers>& bags) {
  std::vector<Tensor> logits, embeddings, attention, tier1;
  for (const Tiers& t : bags) {
    logits.push_back(t.logits_C), embeddings.push_back(t.embedding_E);
    attention.push_back(t.attention_N), tier1.push_back(t.sub_logits_GC);
  }
  HeadOutput out;
  out.logits_BC = at::stack(logits), out.embedding_BE = at::stack(embeddings), out.attention_KN = at::cat(attention).unsqueeze(0);
  out.branches.push_back({"tier1", 1, at::cat(tier1), bag_of_rows(tier1)});
  return out;
}

HeadOutput Dtfd::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  std::vector<Tiers> of_bags;
  for (const Tensor& x_ND : split_bags(bags.features_ND, bags.offsets)) {
    const int64_t n = x_ND.size(0);
    if (pass.draws) {
      const DrawKey key = *pass_of_bag(pass, static_cast<int64_t>(of_bags.size())).draws;
      of_bags.push_back(forward_partition(x_ND, draw_partition(n, config_.num_group, key)));
      continue;
    }
    // The key is the bag's size, not its place: the same bag is cut alike wherever it lies.
    std::vector<Tiers> repeats;
    for (uint64_t r = 0; r < static_cast<uint64_t>(config_.num_mean_inference); ++r)
      repeats.push_back(forward_partition(x_ND, draw_partition(n, config_.num_group, {seed_ + r, static_cast<uint64_t>(n)})));
    of_bags.push_back(mean_of(repeats));
  }
  return as_output(of_bags);
}

}  // namespace eosin::mil
