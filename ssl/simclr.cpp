#include "ssl/simclr.h"

#include "core/nn/weights.h"
#include "core/tensor/gather.h"
#include "ssl/collapse.h"
#include "ssl/method_state.h"
#include "ssl/ntxent.h"
#include "ssl/student_groups.h"
#include "ssl/view_pair.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

ProjectorShape projector_shape(const SimclrConfig& config) {
  ProjectorShape shape;
  shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = config.projector_layers;
  shape.last_norm = ProjectorShape::LastNorm::kAffine;
  return shape;
}

}  // namespace

void SimclrConfig::visit(config::Visitor& v) {
  using config::Range;
  v("hidden_dim", hidden_dim, "width of the projector's hidden layers", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings that are compared", Range{1, 1 << 20});
  v("projector_layers", projector_layers, "linear layers of the projector, each with batch norm", Range{1, 8});
  v("temperature", temperature, "of the softmax over cosines", Range{0, 10, config::kOpenLow});
  LayerRates::visit(v);
}

Simclr::Simclr(const SimclrConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  student_ = register_module("student", ProjectedNet(encoder_.model, projector_shape(config_), comm_));
  student_->init_weights(seed_);
}

train::Loss Simclr::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const Tensor embeddings = student_->project(student_->features(view_pair(batch, "simclr"), drop_path), 1).front();
  const std::vector<Tensor> views = embeddings.chunk(2);
  train::Loss loss;
  loss.total = ntxent_loss(gather_rows(views[0], comm_), gather_rows(views[1], comm_), config_.temperature);
  loss.parts.emplace_back("nt_xent", loss.total.detach());
  if (progress.log_step) loss.parts.push_back(embedding_spread(embeddings));
  return loss;
}

std::vector<train::ParamGroup> Simclr::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

State Simclr::state() { return method_state(*this, encoder_); }

void Simclr::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
