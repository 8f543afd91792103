#include "ssl/gpfm.h"

#include "core/base/error.h"
#include "core/nn/weights.h"

namespace eosin::ssl {
namespace {

const std::string kHeads = "expert_heads.";

}  // namespace

/// As released: one head and centring for itself, lengths of the prototypes trained.
GpfmConfig::GpfmConfig() {
  dinov2.centering = "centering";
  dinov2.norm_last_layer = false;
}

void GpfmConfig::visit(config::Visitor& v) {
  v("dinov2", dinov2, "what the student learns from itself");
  v("experts", experts, "what it learns from frozen encoders");
}

Gpfm::Gpfm(const GpfmConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm) {
  dinov2_ = register_module("dinov2", std::make_shared<Dinov2>(config.dinov2, encoder, seed, std::move(comm)));
  const auto parts = register_module("experts", std::make_shared<torch::nn::Module>("experts"));
  experts_ = load_teachers(config.experts, encoder, nullptr, *parts);
  heads_ = register_module("expert_heads", ExpertHeads(nn::token_dim(encoder.model), experts_, config.experts.bottleneck_dim));
  heads_->init_weights(seed);
}

train::Loss Gpfm::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  Dinov2::Seen seen;
  train::Loss loss = dinov2_->forward(batch, progress, seen);
  const ClsAndPatches student = cls_and_patches(seen.student);
  for (size_t i = 0; i < experts_.size(); ++i) {
    const ExpertTerms terms = expert_loss(heads_->each[i], student, experts_[i].see(seen.global_BCHW), experts_[i].loss);
    loss.total = loss.total + terms.total();
    loss.parts.emplace_back(fmt::format("expert{}_cls", i), terms.cls.detach());
    if (terms.patch.defined()) loss.parts.emplace_back(fmt::format("expert{}_patch", i), terms.patch.detach());
  }
  return loss;
}

std::vector<train::ParamGroup> Gpfm::param_groups() {
  std::vector<train::ParamGroup> groups = dinov2_->param_groups();
  std::vector<std::pair<std::string, Tensor>> named;
  for (const auto& item : heads_->named_parameters()) named.emplace_back(kHeads + item.key(), item.value());
  for (auto& group : optim::group_params(named, optim::dinov2_rule({}), "expert_heads")) groups.push_back(std::move(group));
  return groups;
}

std::vector<std::pair<std::string, double>> Gpfm::schedule_values(const train::Progress& progress) const {
  return dinov2_->schedule_values(progress);
}

State Gpfm::state() {
  State state = dinov2_->state();
  for (const auto& [name, tensor] : nn::named_weights(*heads_)) state.tensors.emplace(kHeads + name, tensor);
  add_teachers(state, identities_of(experts_));
  return state;
}

void Gpfm::load_state(const State& state) {
  check_teachers(state, identities_of(experts_), "gpfm");
  State own{{}, state.values};
  TensorMap heads;
  for (const auto& [name, tensor] : state.tensors) {
    if (name.starts_with(kHeads))
      heads.emplace(name.substr(kHeads.size()), tensor);
    else
      own.tensors.emplace(name, tensor);
  }
  dinov2_->load_state(own);
  nn::load_weights(*heads_, heads);
}

}  // namespace eosin::ssl
