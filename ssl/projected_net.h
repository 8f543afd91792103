#pragma once
// A backbone with a projector behind it: what joint-embedding methods train, and their teachers.
#include "core/nn/backbone.h"
#include "ssl/projector.h"

#include <vector>

namespace eosin::ssl {

/// `shape.in_dim` is set to the width of the backbone's features.
struct ProjectedNetImpl : torch::nn::Module {
  ProjectedNetImpl(const nn::ModelConfig& model, ProjectorShape shape, const std::shared_ptr<Comm>& comm);
  void init_weights(uint64_t seed);
  /// Features of views, crop-major; views of one size go through the backbone together.
  Tensor features(const std::vector<Tensor>& views_BCHW, const std::optional<nn::DropPathKey>& drop_path = {});
  /// Embeddings of each of `views` equal shares of the rows; the projector's batch norms see one view at a time.
  std::vector<Tensor> project(const Tensor& features_ND, int64_t views);
  /// Of backbone and projector, in a fixed order: those that a teacher follows.
  std::vector<Tensor> followed() const;

  std::shared_ptr<nn::Backbone> backbone;
  Projector projector{nullptr};
};
TORCH_MODULE(ProjectedNet);

/// With a predictor behind the projector (BYOL, MoCo v3).
struct PredictingNetImpl : ProjectedNetImpl {
  PredictingNetImpl(const nn::ModelConfig& model, const ProjectorShape& projector, const ProjectorShape& predictor,
                    const std::shared_ptr<Comm>& comm);
  void init_weights(uint64_t seed);
  /// Predictions of each of `views` equal shares of the rows.
  std::vector<Tensor> predict(const Tensor& features_ND, int64_t views);

  Projector predictor{nullptr};
};
TORCH_MODULE(PredictingNet);

}  // namespace eosin::ssl
