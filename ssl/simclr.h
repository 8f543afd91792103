#pragma once
// SimCLR: two views of an image are to be closer than views of other images (Chen et al. 2020, arXiv:2002.05709).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's projector and the temperature of long training with large batches.
struct SimclrConfig : LayerRates {
  int64_t hidden_dim = 2048, out_dim = 128, projector_layers = 2;
  double temperature = 0.1;

  void visit(config::Visitor& v);
};

/// Views: two global crops. Negatives and batch norms span all ranks; the projector sees both views as one batch.
///
/// Parts: nt_xent; when a step is logged also embedding_spread.
/// Errors   Shape if a batch has fewer than two views.
/// Checked  golden ssl.ntxent; tests/ssl/test_simclr.cpp: two ranks against one process, resume.
class Simclr final : public train::Objective<data::ViewBatch> {
 public:
  Simclr(const SimclrConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<std::string> batch_losses() const override { return {"nt_xent", "batch norm"}; }
  /// Tensors student.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  SimclrConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  ProjectedNet student_{nullptr};
};

}  // namespace eosin::ssl
