#include "mil/mhim.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "mil/heads.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

namespace eosin::mil {
namespace {

/// From 1 to 0.
double cosine_down(double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); }

}  // namespace

MhimConfig::MhimConfig() : head(head_table(), "abmil") {}

void MhimConfig::validate(config::Problems& p) const {
  for (const char* silent : {"mean", "max", "max_instance", "simlp", "ilra", "s4", "mhim"})
    if (head.name() == silent) p.add("head.name", head.name() + " gives no attention to mask by");
}

Tensor feature_consistency(const Tensor& teacher_BE, const Tensor& student_BE, double temp_t, double temp_s) {
  const FullPrecision full_precision;
  const Tensor target = (at_least_float(teacher_BE).detach() / temp_t).softmax(1);
  return -(target * (at_least_float(student_BE) / temp_s).log_softmax(1)).sum(1);
}

Mhim::Mhim(const MhimConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      student_(register_module("student", make_head(config.head, {in_dim, n_outputs}, 0))),
      teacher_(register_module("teacher", make_head(config.head, {in_dim, n_outputs}, 0))) {
  for (const Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
}

void Mhim::init_weights(uint64_t seed) {
  student_->init_weights(seed);
  teacher_->init_weights(seed);
}

HeadOutput Mhim::ask_teacher(const BagBatch& bags, const Pass& pass) {
  const at::NoGradGuard no_grad;
  BagBatch unlabelled = bags;
  unlabelled.labels_B = Tensor();
  return teacher_->forward(unlabelled, config_.compat == "mhim" ? pass : Pass{std::nullopt, pass.progress});
}

Mhim::Detail Mhim::forward_kept(const BagBatch& bags, const HeadOutput& teacher, const std::vector<Tensor>& kept, const Pass& pass) {
  std::vector<BagBatch> left;
  for (int64_t b = 0; b < bags.n_bags(); ++b) left.push_back(rows_of(one_bag(bags, b), kept[static_cast<size_t>(b)]));
  Detail detail{student_->forward(pack_bags(left), pass), teacher, {}};
  detail.consistency_B = feature_consistency(teacher.embedding_BE, detail.out.embedding_BE, config_.temp_t, config_.temp_s);
  detail.out.losses.push_back({"consistency", config_.alpha, detail.consistency_B});
  return detail;
}

HeadOutput Mhim::forward(const BagBatch& bags, const Pass& pass) {
  if (!pass.draws) return student_->forward(bags, pass);
  const HeadOutput teacher = ask_teacher(bags, pass);
  EOSIN_ASSERT(teacher.attention_KN.defined());
  const MhimRatios ratios{config_.ratio_random, config_.ratio_low, config_.ratio_high * cosine_down(pass.progress), config_.high_keep_fraction};
  std::vector<Tensor> kept;
  for (const Tensor& attention : split_bags(teacher.attention_KN.t(), bags.offsets)) {
    const int64_t n = attention.size(0);
    const DrawKey key = *pass_of_bag(pass, static_cast<int64_t>(kept.size())).draws;
    const Tensor rows = mhim_mask(attention.t(), ratios, draw_permutations(n, ratios, key)).kept;
    kept.push_back(rows.numel() > 0 ? rows : at::arange(n, at::kLong));
  }
  return forward_kept(bags, teacher, kept, pass).out;
}

void Mhim::after_update(const Pass& pass) {
  const at::NoGradGuard no_grad;
  const double rest = (1 - config_.momentum) * (config_.momentum_schedule == "cosine" ? cosine_down(pass.progress) : 1);
  at::_foreach_lerp_(teacher_->parameters(), student_->parameters(), rest);
}

MhimMergeImpl::MhimMergeImpl(const Options& options)
    : options_(options),
      norm_(add_norm(*this, "norm", options.dim)),
      to_q_(add_linear(*this, "attn.to_q", options.dim, options.heads * options.dim_head, false)),
      to_kv_(add_linear(*this, "attn.to_kv", options.dim, 2 * options.heads * options.dim_head, false)),
      to_out_(add_linear(*this, "attn.to_out.0", options.heads * options.dim_head, options.dim)),
      global_q_mm_(register_buffer("global_q_mm", torch::zeros({1, options.k, options.dim}))) {}

Tensor MhimMergeImpl::forward(const Tensor& x_NE, const Tensor& noise_N) {
  EOSIN_CHECK(noise_N.numel() == x_NE.size(0), Shape, "[mhim_merge] {} draws for {} tiles", noise_N.numel(), x_NE.size(0));
  const int64_t n = x_NE.size(0), kept = static_cast<int64_t>(static_cast<double>(n) * options_.merge_ratio);
  const Tensor order = std::get<1>(noise_N.sort(/*stable=*/true, 0, false));
  const Tensor rest = norm_(x_NE.index_select(0, order.narrow(0, kept, n - kept)));
  const auto heads = [&](const Tensor& x) { return x.unflatten(1, {options_.heads, -1}).transpose(0, 1); };
  const auto kv = to_kv_(rest).chunk(2, 1);
  const Tensor q = heads(to_q_(norm_(global_q_mm_[0]))) / std::sqrt(static_cast<double>(options_.dim_head));
  const Tensor mixed = q.matmul(heads(kv[0]).transpose(1, 2)).softmax(-1).matmul(heads(kv[1]));
  const Tensor tokens = to_out_(mixed.transpose(0, 1).flatten(1));
  last_tokens_ = tokens.detach();
  return at::cat({x_NE.index_select(0, order.narrow(0, 0, kept)), tokens});
}

void MhimMergeImpl::update() {
  EOSIN_ASSERT(last_tokens_.defined());
  global_q_mm_.lerp_(last_tokens_.unsqueeze(0), 1 - options_.momentum);
}

}  // namespace eosin::mil
