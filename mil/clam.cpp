#include "mil/clam.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "mil/attention_pool.h"
#include "mil/class_losses.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::mil {
namespace {

constexpr int64_t kHidden = 512;

int64_t attention_dim(const ClamConfig& c) { return c.attention_dim.value_or(c.size == "small" ? 256 : 384); }

ScoreNames score_names(bool gated) {
  const std::string at = "attention_net.3.";
  if (gated) return {at + "attention_a.0", at + "attention_b.0", at + "attention_c"};
  return {at + "module.0", "", at + "module.2"};
}

}  // namespace

Clam::Clam(const ClamConfig& config, bool per_class, int64_t in_dim, int64_t n_outputs)
    : config_(config), in_dim_(in_dim), n_classes_(n_outputs), per_class_(per_class) {
  const int64_t hidden = config.embed_dim.value_or(kHidden);
  fc_ = add_linear(*this, "attention_net.0", in_dim, hidden);
  attention_ =
      AttentionScores(*this, {hidden, attention_dim(config), per_class ? n_outputs : 1, config.gated, true, "tanh"}, score_names(config.gated));
  for (int64_t c = 0; per_class && c < n_outputs; ++c) classifiers_.push_back(add_linear(*this, fmt::format("classifiers.{}", c), hidden, 1));
  if (!per_class) classifiers_.push_back(add_linear(*this, "classifiers", hidden, n_outputs));
  for (int64_t c = 0; c < n_outputs; ++c) instance_classifiers_.push_back(add_linear(*this, fmt::format("instance_classifiers.{}", c), hidden, 2));
}

int64_t Clam::samples_of(int64_t bag_size) {
  const int64_t k = config_.k_sample;
  if (config_.compat == "clam") {
    EOSIN_CHECK(bag_size >= k, Data, "[clam] a bag of {} tiles has no {} to choose (compat=clam); lower k_sample or drop compat", bag_size, k);
    return k;
  }
  if (bag_size >= 2 * k) return k;
  const int64_t fewer = std::max<int64_t>(1, bag_size / 2);
  if (!warned_) log::warn("[clam] a bag of {} tiles teaches by {} of highest and lowest attention, not k_sample={} (said once)", bag_size, fewer, k);
  warned_ = true;
  return fewer;
}

ClamInstances Clam::instances(const Tensor& h_NE, const Tensor& attention_NK, int64_t label) {
  const int64_t k = samples_of(h_NE.size(0));
  std::vector<Tensor> losses, labels, preds;
  for (int64_t c = 0; c < n_classes_; ++c) {
    if (c != label && !config_.subtyping) continue;
    const Tensor row_N = attention_NK.select(1, per_class_ ? c : 0).detach();
    Tensor chosen = top_indices(row_N, k), wanted = at::full_like(chosen, c == label ? 1 : 0);
    if (c == label) chosen = at::cat({chosen, top_indices(-row_N, k)}), wanted = at::cat({wanted, at::zeros_like(wanted)});
    const Tensor logits_I2 = instance_classifiers_[static_cast<size_t>(c)](h_NE.index_select(0, chosen));
    labels.push_back(wanted);
    losses.push_back((config_.inst_loss == "svm" ? smooth_top1_svm(logits_I2, labels.back()) : cross_entropy(logits_I2, labels.back())).mean());
    preds.push_back(logits_I2.detach().argmax(1));
  }
  const Tensor sum = at::stack(losses).sum();
  return {config_.subtyping ? sum / static_cast<double>(n_classes_) : sum, at::cat(labels), at::cat(preds)};
}

Tensor Clam::classify(const Tensor& embedding_BKE) {
  if (!per_class_) return classifiers_[0](embedding_BKE.select(1, 0));
  std::vector<Tensor> logits;
  for (int64_t c = 0; c < n_classes_; ++c) logits.push_back(classifiers_[static_cast<size_t>(c)](embedding_BKE.select(1, c)));
  return at::cat(logits, 1);
}

Clam::Detail Clam::forward_with_instances(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Dropout drop(pass, bags.offsets);
  const Tensor h_NE = drop(project(fc_, bags.features_ND).relu(), config_.dropout, 0);
  const Pooled pooled = attention_pool(attention_(h_NE, config_.dropout, drop, 1), h_NE, bags.offsets);
  Detail detail;
  HeadOutput& out = detail.out;
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN, out.attention_by_class = per_class_;
  out.embedding_BE = pooled.embedding_BKE.flatten(1);
  out.logits_BC = classify(pooled.embedding_BKE);
  if (!bags.labels_B.defined()) return detail;
  const auto rows = split_bags(h_NE, bags.offsets), attention = split_bags(pooled.attention_KN.t(), bags.offsets);
  std::vector<Tensor> losses;
  for (int64_t b = 0; b < bags.n_bags(); ++b) {
    const auto label = bags.labels_B[b].item<int64_t>();
    EOSIN_CHECK(label >= 0 && label < n_classes_, Data,
                "[clam] {} has label {} (need 0 to {}); the instance classifiers are one an output, so that the task must have an output a class: "
                "classes with cross_entropy or focal",
                name_of(bags, b), label, n_classes_ - 1);
    detail.instances.push_back(instances(rows[static_cast<size_t>(b)], attention[static_cast<size_t>(b)], label));
    losses.push_back(detail.instances.back().loss);
  }
  out.logits_weight = config_.bag_weight;
  out.losses.push_back({"instance", 1 - config_.bag_weight, at::stack(losses)});
  return detail;
}

HeadOutput Clam::forward(const BagBatch& bags, const Pass& pass) { return forward_with_instances(bags, pass).out; }

}  // namespace eosin::mil
