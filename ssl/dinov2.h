#pragma once
// DINOv2 (Oquab et al. 2023, arXiv:2304.07193): DINO between crops, iBOT on masked patches, and a regulariser that spreads the features.
#include "core/nn/encoder_spec.h"
#include "core/nn/vit.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "ssl/dino_head.h"
#include "ssl/dino_loss.h"
#include "ssl/illustrated.h"
#include "ssl/patch_masks.h"
#include "ssl/reconstruction.h"
#include "ssl/soft_targets.h"
#include "train/objective.h"

#include <memory>
#include <optional>
#include <string>

namespace eosin::ssl {

/// Steps, not epochs. Defaults are those of the released ViT-L/16 recipe but for the paper's Sinkhorn-Knopp, exact masks, prototypes of length 1 and
/// no warm-up of the temperature.
struct Dinov2Config {
  int64_t n_prototypes = 65536, hidden_dim = 2048, bottleneck_dim = 256;
  bool separate_heads = false;
  std::optional<int64_t> ibot_n_prototypes, ibot_hidden_dim, ibot_bottleneck_dim;
  bool norm_last_layer = true, plain_heads = false;
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
  std::vector<int64_t> patch_sizes;
  ReconstructionConfig reconstruction;
  std::string frozen_teacher;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;

  /// Samples that a batch of all ranks needs, what needs them, and what else would do.
  struct LeastBatch {
    int64_t samples = 1;
    std::string loss, otherwise;
  };
  LeastBatch least_batch() const;
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

struct FrozenDinov2;

/// Views: two global crops, then any number of local ones. The teacher sees the global crops whole, the student masked (those that the masks
/// choose) and the local ones. Masks are the batch's where it has some, else drawn from (seed, position of the batch).
///
/// Losses, each with its weight, which add up to the total. With n = 2 + 2 x local crops terms:
///   dino_local   CE of local crops against both global ones: sum over pairs / n
///   dino_global  CE of each global crop, masked as it is, against the other: 2 x mean / n
///   ibot         CE of masked patches (ssl/ibot_loss.h), over all global crops
///   koleo, kde   sum over the two global views of the regulariser of the backbone's class tokens, over the rows of all ranks
///   gram         Gram anchoring (ssl/gram.h) of the global crops' patch tokens to a frozen copy of the teacher, which is taken at
///                gram_start_step, when the term begins, and again every gram_refresh_steps. It sees the undistorted crops where the
///                batch has them, whose tokens are resized to the student's grid; else the global crops as they are
///   mae, fourier PLUTO's: pixels of patches that the backbone did not see, of the global crops (ssl/reconstruction.h)
/// When a step is logged also koleo_left_out (pairs of duplicates) and the collapse measures of the class targets.
///
/// With `frozen_teacher`, a run of this method, that run's teacher makes the targets, heads included: the paper's distillation of a large model into
/// a small one (section 5; H0-mini). The student sees whole crops, and ibot is over all patches of the global ones. The moving average of the student
/// is kept beside it, for use; the frozen teacher's weights are not in the state, their hash is.
///
/// The teacher is else the exponential moving average of the student, heads included. `centering` makes its targets: softmax of centred logits, the
/// centres from before this step; or Sinkhorn-Knopp over the class tokens and over the masked patches of all ranks.
/// Errors   Shape if a batch has fewer than two views, the first two differ in size, or given masks do not fit.
/// With patch_sizes the networks work on patches of a size that is drawn from them at every step, the same for all ranks (FlexiViT).
/// Differs  from the released code: KoLeo and KDE see all ranks' rows, not one's; the displayed parts are not halved. From FlexiViT: DINOv2's
///          teacher and student share the size that was drawn.
/// Checked  golden ssl.dinov2_step; tests/ssl/test_dinov2.cpp: two ranks equal one process, closed-form average, resume.
class Dinov2 final : public train::Objective<data::ViewBatch>, public Illustrated {
 public:
  Dinov2(const Dinov2Config& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();
  /// Side of the patches at this step.
  int64_t patch_size(const train::Progress& progress) const;

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  /// The whole global crops and what the student made of the masked ones, for losses beside this one.
  struct Seen {
    Tensor global_BCHW;
    nn::ImageTokens student;
  };
  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress, Seen& seen);
  /// Of masks that are drawn: without a teacher of its own (a frozen one) the student sees everything, and there is nothing to show.
  Illustration illustrate(const data::ViewBatch& batch) override {
    if (frozen_) return {};
    return illustrate_masks(batch, masks(batch, encoder_.vit().patch_size).masks_BN, encoder_.vit().patch_size);
  }
  void after_update(const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override;
  /// Tensors student.*, teacher.*, with centering center, ibot_center, with Gram anchoring gram_teacher.*; values "encoder": the EncoderSpec,
  /// "teachers": the frozen one, if there is.
  State state() override;
  void load_state(const State& state) override;

 private:
  struct Targets {
    SoftTargets cls;  // of the second global crops, then the first ones
    SoftTargets patches;
  };
  Dinov2Net& target_net();
  PatchMasks masks(const data::ViewBatch& batch, int64_t patch_size) const;
  nn::VitPass plain_pass(const train::Progress& progress) const;
  Targets teach(const Tensor& global_BCHW, const PatchMasks& masks, const train::Progress& progress);
  SoftTargets targets(DinoHead& head, const Tensor& tokens_ND, std::optional<TeacherCenter>& center, const train::Progress& progress);
  void add_regularisers(const Tensor& cls_ND, bool diagnose, train::Loss& loss) const;
  void refresh_gram_teacher(int64_t step);
  Tensor gram(const Tensor& student_tokens_BND, const Tensor& global_BCHW, const data::ViewBatch& batch, const train::Progress& progress);
  double teacher_temp(const train::Progress& progress) const;

  Dinov2Config config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  Dinov2Net student_{nullptr}, teacher_{nullptr};
  std::shared_ptr<FrozenDinov2> frozen_;               // null: the teacher makes the targets
  nn::Vit gram_teacher_{nullptr};                      // without Gram anchoring there is none
  Reconstruction reconstruction_{nullptr};             // without the term there is none
  std::optional<TeacherCenter> center_, ibot_center_;  // with Sinkhorn-Knopp there are none
};

}  // namespace eosin::ssl
