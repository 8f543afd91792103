#include "ssl/barlow_twins.h"

#include "core/nn/weights.h"
#include "core/tensor/gather.h"
#include "ssl/barlow_twins_loss.h"
#include "ssl/collapse.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"
#include "ssl/view_pair.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

ProjectorShape projector_shape(const BarlowTwinsConfig& config) {
  ProjectorShape shape;
  shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = config.projector_layers;
  return shape;
}

}  // namespace

void BarlowTwinsConfig::visit(config::Visitor& v) {
  using config::Range;
  v("hidden_dim", hidden_dim, "width of the projector's hidden layers", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings; more helps", Range{1, 1 << 20});
  v("projector_layers", projector_layers, "linear layers of the projector", Range{1, 8});
  v("lambda", lambda, "weight of the correlations between different coordinates", Range{0, 1e3});
  LayerRates::visit(v);
}

BarlowTwins::BarlowTwins(const BarlowTwinsConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  student_ = register_module("student", ProjectedNet(encoder_.model, projector_shape(config_), comm_));
  student_->init_weights(seed_);
}

train::Loss BarlowTwins::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const std::vector<Tensor> views = student_->project(student_->features(view_pair(batch, "barlow_twins"), drop_path), 2);
  train::Loss loss;
  loss.total = barlow_twins_loss(gather_rows(views[0], comm_), gather_rows(views[1], comm_), config_.lambda);
  loss.parts.emplace_back("barlow_twins", loss.total.detach());
  if (progress.log_step) loss.parts.push_back(embedding_spread(views[0]));
  return loss;
}

std::vector<train::ParamGroup> BarlowTwins::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

State BarlowTwins::state() { return method_state(*this, encoder_); }

void BarlowTwins::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
