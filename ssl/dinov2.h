#pragma once
// DINOv2 (Oquab et al. 2023, arXiv:2304.07193): DINO between crops, iBOT on masked patches, and a regulariser that spreads the features.
#include "core/nn/encoder_spec.h"
#include "core/nn/vit.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "ssl/dino_head.h"
#include "ssl/dino_loss.h"
#include "ssl/patch_masks.h"
#include "ssl/soft_targets.h"
#include "train/objective.h"

#include <optional>

namespace eosin::ssl {

/// Steps, not epochs. Defaults are those of the released ViT-L/16 recipe but for the paper's Sinkhorn-Knopp, exact masks, prototypes of length 1 and
/// no warm-up of the temperature.
struct Dinov2Config {
  int64_t n_prototypes = 65536, hidden_dim = 2048, bottleneck_dim = 256;
  bool separate_heads = false;
  std::optional<int64_t> ibot_n_prototypes, ibot_hidden_dim, ibot_bottleneck_dim;
  bool norm_last_layer = true;
  std::string centering = "sinkhorn_knopp";
  int64_t sinkhorn_iterations = 3;
  double center_momentum = 0.9;
  double student_temp = 0.1, teacher_temp = 0.07, warmup_teacher_temp = 0.04;
  int64_t warmup_teacher_temp_steps = 0;
  double momentum = 0.992, momentum_end = 1.0;
  double mask_probability = 0.5;
  std::vector<double> mask_ratio = {0.1, 0.5};
  bool mask_complete = true;
  double dino_weight = 1.0, ibot_weight = 1.0, koleo_weight = 0.1, kde_weight = 0.0, kde_kappa = 5.0;
  int64_t koleo_topk = 1;
  double gram_weight = 0.0;
  int64_t gram_start_step = 0, gram_refresh_steps = 10000;
  double layer_decay = 0.9, patch_embed_lr_mult = 0.2;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;

  /// Rows that the regularisers need in a batch of all ranks; 1 where there are none.
  int64_t least_batch() const;
  DinoHeadShape dino_head(int64_t in_dim) const;
  DinoHeadShape ibot_head(int64_t in_dim) const;
};

/// Backbone and heads: what the student and the teacher are.
struct Dinov2NetImpl : torch::nn::Module {
  Dinov2NetImpl(const nn::VitConfig& vit, const Dinov2Config& config);
  void init_weights(uint64_t seed);
  /// The patches' own head, or the shared one.
  DinoHead& patch_head() { return ibot_head.is_empty() ? dino_head : ibot_head; }

  nn::Vit backbone{nullptr};
  DinoHead dino_head{nullptr}, ibot_head{nullptr};
};
TORCH_MODULE(Dinov2Net);

/// Views: two global crops, then any number of local ones. The teacher sees the global crops whole, the student masked (those that the masks
/// choose) and the local ones. Masks are the batch's where it has some, else drawn from (seed, position of the batch).
///
/// Losses, each with its weight, which add up to the total. With n = 2 + 2 x local crops terms:
///   dino_local   CE of local crops against both global ones: sum over pairs / n
///   dino_global  CE of each global crop, masked as it is, against the other: 2 x mean / n
///   ibot         CE of masked patches (ssl/ibot_loss.h), over all global crops
///   koleo, kde   sum over the two global views of the regulariser of the backbone's class tokens, over the rows of all ranks
///   gram         Gram anchoring (ssl/gram.h) of the global crops' patch tokens to a frozen copy of the teacher, which is taken at
///                gram_start_step, when the term begins, and again every gram_refresh_steps
/// When a step is logged also koleo_left_out (pairs of duplicates) and the collapse measures of the class targets.
///
/// The teacher is the exponential moving average of the student, heads included. `centering` makes its targets: softmax of centred logits, the
/// centres from before this step; or Sinkhorn-Knopp over the class tokens and over the masked patches of all ranks.
/// Errors   Shape if a batch has fewer than two views, the first two differ in size, or given masks do not fit.
/// Differs  from the released code: KoLeo and KDE see all ranks' rows, not one's; the displayed parts are not halved. From DINOv3's: the Gram
///          teacher sees the student's crops as they are, not undistorted ones of twice the size.
/// Checked  golden ssl.dinov2_step; tests/ssl/test_dinov2.cpp: two ranks equal one process, closed-form average, resume.
class Dinov2 final : public train::Objective<data::ViewBatch> {
 public:
  Dinov2(const Dinov2Config& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override;
  /// Tensors student.*, teacher.*, with centering center, ibot_center, with Gram anchoring gram_teacher.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  struct Targets {
    SoftTargets cls;  // of the second global crops, then the first ones
    SoftTargets patches;
  };
  PatchMasks masks(const data::ViewBatch& batch) const;
  Targets teach(const Tensor& global_BCHW, const PatchMasks& masks, const train::Progress& progress);
  SoftTargets targets(DinoHead& head, const Tensor& tokens_ND, std::optional<TeacherCenter>& center, const train::Progress& progress);
  void add_regularisers(const Tensor& cls_ND, bool diagnose, train::Loss& loss) const;
  void refresh_gram_teacher(int64_t step);
  Tensor gram(const Tensor& student_tokens_BND, const Tensor& global_BCHW);
  double teacher_temp(const train::Progress& progress) const;

  Dinov2Config config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  Dinov2Net student_{nullptr}, teacher_{nullptr};
  nn::Vit gram_teacher_{nullptr};                      // without Gram anchoring there is none
  std::optional<TeacherCenter> center_, ibot_center_;  // with Sinkhorn-Knopp there are none
};

}  // namespace eosin::ssl
