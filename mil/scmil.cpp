#include "mil/scmil.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "mil/heads.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace eosin::mil {

ScmilConfig::ScmilConfig() : head(head_table(), "abmil") {}

void ScmilConfig::validate(config::Problems& p) const {
  if (head.name() == "scmil") p.add("head.name", "scmil cannot stand around itself");
}

Tensor supcon(const Tensor& unit_BD, const Tensor& labels_B, double temperature) {
  EOSIN_CHECK(unit_BD.dim() == 2 && labels_B.dim() == 1 && labels_B.size(0) == unit_BD.size(0), Shape, "[supcon] {} labels for rows [{}]",
              labels_B.numel(), fmt::join(unit_BD.sizes().vec(), ", "));
  const FullPrecision full_precision;
  const Tensor u = at_least_float(unit_BD);
  const int64_t n = u.size(0);
  if (n < 2) return u.sum(1) * 0;
  const Tensor self = at::eye(n, labels_B.options().dtype(at::kBool));
  const Tensor partner = labels_B.unsqueeze(0).eq(labels_B.unsqueeze(1)).logical_and(self.logical_not()).to(u.scalar_type());
  const Tensor logits = u.matmul(u.t()) / temperature;
  const Tensor log_others = logits.masked_fill(self, -std::numeric_limits<double>::infinity()).logsumexp(1, true);
  return -(partner * (logits - log_others)).sum(1) / partner.sum(1).clamp_min(1);
}

double contrast_weight(const std::string& schedule, double progress) {
  if (schedule == "const") return 0.5;
  if (schedule == "linear") return 1 - progress;
  if (schedule == "parabolic") return 1 - progress * progress;
  if (schedule == "cosine") return 0.5 * (1 + std::cos(std::numbers::pi * progress));
  if (schedule == "step") return progress < 0.5 ? 1 : 0;
  fail(ErrorKind::Config, "[scmil] unknown schedule '{}' (need const, linear, parabolic, cosine or step)", schedule);
}

Scmil::Scmil(const ScmilConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config), head_(register_module("head", make_head(config.head, {in_dim, n_outputs}, 0))) {
  const int64_t hidden = config.proj_hidden_dim.value_or(config.embed_dim);
  proj0_ = add_linear(*this, "proj.0", config.embed_dim, hidden);
  proj2_ = add_linear(*this, "proj.2", hidden, config.proj_dim);
}

void Scmil::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  head_->init_weights(seed);
}

HeadOutput Scmil::forward(const BagBatch& bags, const Pass& pass) {
  HeadOutput out = head_->forward(bags, pass);
  if (!bags.labels_B.defined()) return out;
  EOSIN_CHECK(out.embedding_BE.size(1) == config_.embed_dim, Config, "[scmil] embed_dim is {} and the head's vectors are {} wide; set embed_dim={}",
              config_.embed_dim, out.embedding_BE.size(1), out.embedding_BE.size(1));
  const Tensor z = proj2_(proj0_(out.embedding_BE).relu());
  const Tensor unit_BD = z / z.norm(2, 1, true).clamp_min(1e-12);
  const double weight = contrast_weight(config_.schedule, pass.progress);
  for (BranchLogits& branch : out.branches) branch.weight *= 1 - weight;
  for (BagLoss& loss : out.losses) loss.weight *= 1 - weight;
  out.logits_weight *= 1 - weight;
  out.losses.push_back({"supcon", weight, supcon(unit_BD, bags.labels_B, config_.temperature)});
  return out;
}

}  // namespace eosin::mil
