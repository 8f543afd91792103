#include "mil/max_instance.h"

#include "mil/dropout.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

Tensor most_suspicious(const Tensor& logits_NC) {
  const int64_t n_classes = logits_NC.size(1);
  if (n_classes == 1) return top_indices(logits_NC.select(1, 0), 1);
  const Tensor prob_NC = logits_NC.softmax(1);
  if (n_classes == 2) return top_indices(prob_NC.select(1, 1), 1);
  return top_indices(prob_NC.flatten(), 1).floor_divide(n_classes);
}

}  // namespace

MaxInstance::MaxInstance(const MaxInstanceConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      in_dim_(in_dim),
      fc_(add_linear(*this, "fc.0", in_dim, config.hidden_dim)),
      classifier_(add_linear(*this, n_outputs > 2 ? "classifiers" : "classifier", config.hidden_dim, n_outputs)) {}

HeadOutput MaxInstance::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  HeadOutput out;
  const Tensor h_NE = Dropout(pass, bags.offsets)(project(fc_, bags.features_ND).relu(), config_.dropout, 0);
  out.instance_logits_NC = classifier_(h_NE);
  std::vector<Tensor> logits, embeddings;
  const auto rows = split_bags(out.instance_logits_NC, bags.offsets), hidden = split_bags(h_NE, bags.offsets);
  for (size_t b = 0; b < rows.size(); ++b) {
    const Tensor chosen = most_suspicious(rows[b].detach());
    logits.push_back(rows[b].index_select(0, chosen)), embeddings.push_back(hidden[b].index_select(0, chosen));
  }
  out.logits_BC = at::cat(logits), out.embedding_BE = at::cat(embeddings);
  return out;
}

}  // namespace eosin::mil
