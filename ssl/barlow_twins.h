#pragma once
// Barlow Twins: the embeddings of two views are to agree, and their coordinates to be independent (Zbontar et al. 2021, arXiv:2103.03230).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's.
struct BarlowTwinsConfig : LayerRates {
  int64_t hidden_dim = 8192, out_dim = 8192, projector_layers = 3;
  double lambda = 0.005;

  void visit(config::Visitor& v);
};

/// Views: two global crops. Correlations and batch norms are over the images of all ranks; batch norms see one view at a time.
///
/// Parts: barlow_twins; when a step is logged also embedding_spread.
/// Errors   Shape if a batch has fewer than two views, or there are fewer than two images over all ranks.
/// Checked  golden ssl.barlow_twins; tests/ssl/test_barlow_twins.cpp: two ranks against one process, resume.
class BarlowTwins final : public train::Objective<data::ViewBatch> {
 public:
  BarlowTwins(const BarlowTwinsConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<std::string> batch_losses() const override { return {"barlow_twins", "batch norm"}; }
  /// Tensors student.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  BarlowTwinsConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  ProjectedNet student_{nullptr};
};

}  // namespace eosin::ssl
