#include "ssl/projected_net.h"

#include "ssl/crop_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

ProjectedNetImpl::ProjectedNetImpl(const nn::ModelConfig& model, ProjectorShape shape, const std::shared_ptr<Comm>& comm) {
  shape.in_dim = nn::feature_dim(model);
  backbone = register_module("backbone", nn::make_backbone(model, comm));
  projector = register_module("projector", Projector(shape, comm));
}

void ProjectedNetImpl::init_weights(uint64_t seed) {
  backbone->init_weights(seed);
  projector->init_weights(seed, "projector");
}

Tensor ProjectedNetImpl::features(const std::vector<Tensor>& views_BCHW, const std::optional<nn::DropPathKey>& drop_path) {
  return at::cat(backbone->forward_features(group_by_size(views_BCHW), drop_path), 0);
}

std::vector<Tensor> ProjectedNetImpl::project(const Tensor& features_ND, int64_t views) {
  std::vector<Tensor> embeddings;
  for (const Tensor& view : features_ND.chunk(views)) embeddings.push_back(projector(view));
  return embeddings;
}

std::vector<Tensor> ProjectedNetImpl::followed() const {
  std::vector<Tensor> all = backbone->parameters();
  for (Tensor& p : projector->parameters()) all.push_back(std::move(p));
  return all;
}

PredictingNetImpl::PredictingNetImpl(const nn::ModelConfig& model, const ProjectorShape& projector_shape, const ProjectorShape& predictor_shape,
                                     const std::shared_ptr<Comm>& comm)
    : ProjectedNetImpl(model, projector_shape, comm) {
  predictor = register_module("predictor", Projector(predictor_shape, comm));
}

void PredictingNetImpl::init_weights(uint64_t seed) {
  ProjectedNetImpl::init_weights(seed);
  predictor->init_weights(seed, "predictor");
}

std::vector<Tensor> PredictingNetImpl::predict(const Tensor& features_ND, int64_t views) {
  std::vector<Tensor> predictions = project(features_ND, views);
  for (Tensor& p : predictions) p = predictor(p);
  return predictions;
}

}  // namespace eosin::ssl
