#include "ssl/msn.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/nn/init.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "optim/curves.h"
#include "ssl/collapse.h"
#include "ssl/crop_groups.h"
#include "ssl/ema.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include <algorithm>
#include <numeric>

namespace eosin::ssl {
namespace {

ProjectorShape projector_shape(const MsnConfig& config) {
  ProjectorShape shape;
  shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = 3;
  shape.last_bias = shape.gelu = true;
  return shape;
}

/// floor(patches * (1 - drop)) of the patches, in ascending order.
std::vector<int64_t> draw_visible(int64_t patches, double drop, uint64_t seed, int64_t position) {
  RandomStream stream(seed, static_cast<uint64_t>(position), 0, RandomOp::kMask);
  std::vector<int64_t> order(static_cast<size_t>(patches));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto kept = static_cast<size_t>(std::max(1.0, std::floor(static_cast<double>(patches) * (1 - drop))));
  for (size_t i = 0; i < kept; ++i) std::swap(order[i], order[i + stream.below(static_cast<uint32_t>(order.size() - i))]);
  order.resize(kept);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

void MsnConfig::visit(config::Visitor& v) {
  using config::Range;
  v("n_prototypes", n_prototypes, "prototypes that views are assigned to", Range{2, 1 << 24});
  v("hidden_dim", hidden_dim, "width of the projector's two hidden layers", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings and prototypes", Range{1, 1 << 20});
  v("temperature", temperature, "of the softmax over prototypes", Range{0, 10, config::kOpenLow});
  v("sharpen_temperature", sharpen_temperature, "targets are raised to its inverse", Range{0, 1, config::kOpenLow});
  v("sinkhorn_iterations", sinkhorn_iterations, "rounds that balance the targets; 0: none", Range{0, 100});
  v("memax_weight", memax_weight, "weight of the mean prediction's distance from uniform", Range{0, 1e3});
  v("patch_drop", patch_drop, "share of its patches that the full-size anchor lacks", Range{0, 1, config::kOpenHigh});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on a straight line", Range{0, 1});
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", Range{0, 1});
  LayerRates::visit(v);
}

void MsnConfig::validate(config::Problems& p) const {
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
}

MsnNetImpl::MsnNetImpl(const nn::ModelConfig& model, const ProjectorShape& shape, int64_t n_prototypes, const std::shared_ptr<Comm>& comm)
    : ProjectedNetImpl(model, shape, comm) {
  const auto part = register_module("prototypes", std::make_shared<torch::nn::Module>("prototypes"));
  prototypes = part->register_parameter("weight", torch::empty({n_prototypes, shape.out_dim}));
}

void MsnNetImpl::init_weights(uint64_t seed) {
  ProjectedNetImpl::init_weights(seed);
  nn::init_fan_in(prototypes, prototypes.size(1), seed, "prototypes");
}

Msn::Msn(const MsnConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  student_ = register_module("student", MsnNet(encoder_.model, projector_shape(config_), config_.n_prototypes, comm_));
  teacher_ = register_module("teacher", ProjectedNet(encoder_.model, projector_shape(config_), comm_));
  student_->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  copy_student_to_teacher();
}

void Msn::copy_student_to_teacher() { copy_parts(*teacher_, *student_); }

double Msn::momentum(const train::Progress& progress) const {
  return optim::linear(1.0, config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

/// Embeddings of the second view, less the dropped patches, and of the focal views.
Tensor Msn::anchors(const data::ViewBatch& batch) {
  const Tensor& full = batch.views_BCHW[1];
  std::vector<Tensor> groups = group_by_size({batch.views_BCHW.begin() + 2, batch.views_BCHW.end()});
  groups.insert(groups.begin(), full);
  nn::VitPass pass;
  pass.drop_path = nn::DropPathKey{seed_, static_cast<uint64_t>(batch.first_position)};
  if (config_.patch_drop > 0) {
    const int64_t side = encoder_.vit().patch_size, patches = (full.size(2) / side) * (full.size(3) / side);
    const std::vector<int64_t> kept = draw_visible(patches, config_.patch_drop, seed_, batch.first_position);
    pass.visible_BK.resize(groups.size());
    pass.visible_BK.front() = at::tensor(kept, at::kLong).to(full.device(), /*non_blocking=*/true).expand({full.size(0), -1});
  }
  return student_->projector(at::cat(nn::as_vit(student_->backbone)->forward_features(groups, pass), 0));
}

train::Loss Msn::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  EOSIN_CHECK(batch.views_BCHW.size() >= 2, Shape, "[msn] a batch has {} views (need two global crops)", batch.views_BCHW.size());
  Tensor targets;
  {
    const at::NoGradGuard no_grad;
    const Tensor embeddings = teacher_->project(teacher_->features({batch.views_BCHW[0]}), 1).front();
    targets = msn_targets(embeddings, student_->prototypes, config_.loss(), *comm_);
  }
  const MsnTerms terms = msn_loss(anchors(batch), student_->prototypes, targets, config_.loss(), comm_);
  train::Loss loss;
  loss.total = terms.total();
  loss.parts = {{"cross_entropy", terms.cross_entropy.detach()}, {"memax", terms.memax.detach()}};
  if (progress.log_step)
    for (auto& part : collapse_measures(targets)) loss.parts.push_back(std::move(part));
  return loss;
}

std::vector<train::MovingAverage> Msn::averages() { return optim::follow(teacher_->followed(), student_->followed()); }

/// Prototypes are compared by direction: decaying them would only change their rate.
std::vector<train::ParamGroup> Msn::param_groups() {
  return student_groups(*student_, [rules = dino_rules(config_, encoder_.model)](const std::string& part) {
    return part == "prototypes" ? optim::no_decay_rule({"student.prototypes.weight"}) : rules(part);
  });
}

std::vector<std::pair<std::string, double>> Msn::schedule_values(const train::Progress& progress) const { return {{"momentum", momentum(progress)}}; }

State Msn::state() { return method_state(*this, encoder_); }

void Msn::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
