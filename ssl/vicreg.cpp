#include "ssl/vicreg.h"

#include "core/nn/weights.h"
#include "core/tensor/gather.h"
#include "ssl/collapse.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"
#include "ssl/vicreg_loss.h"
#include "ssl/view_pair.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

ProjectorShape projector_shape(const VicregConfig& config) {
  ProjectorShape shape;
  shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = config.projector_layers;
  return shape;
}

}  // namespace

void VicregConfig::visit(config::Visitor& v) {
  using config::Range;
  v("hidden_dim", hidden_dim, "width of the expander's hidden layers", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings", Range{1, 1 << 20});
  v("projector_layers", projector_layers, "linear layers of the expander", Range{1, 8});
  v("invariance_weight", invariance_weight, "of the squared distance between the views", Range{0, 1e6});
  v("variance_weight", variance_weight, "of the coordinates whose standard deviation is below 1", Range{0, 1e6});
  v("covariance_weight", covariance_weight, "of the covariances between coordinates", Range{0, 1e6});
  LayerRates::visit(v);
}

Vicreg::Vicreg(const VicregConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  student_ = register_module("student", ProjectedNet(encoder_.model, projector_shape(config_), comm_));
  student_->init_weights(seed_);
}

train::Loss Vicreg::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const std::vector<Tensor> views = student_->project(student_->features(view_pair(batch, "vicreg"), drop_path), 2);
  const VicregTerms terms = vicreg_loss(gather_rows(views[0], comm_), gather_rows(views[1], comm_),
                                        {config_.invariance_weight, config_.variance_weight, config_.covariance_weight});
  train::Loss loss;
  loss.total = terms.total();
  loss.parts = {{"invariance", terms.invariance.detach()}, {"variance", terms.variance.detach()}, {"covariance", terms.covariance.detach()}};
  if (progress.log_step) loss.parts.push_back(embedding_spread(views[0]));
  return loss;
}

std::vector<train::ParamGroup> Vicreg::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

State Vicreg::state() { return method_state(*this, encoder_); }

void Vicreg::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
