#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"
#include "mil/mhim_mask.h"

namespace eosin::mil {

struct MhimConfig {
  MhimConfig();
  config::Choice head;
  double alpha = 0.1, ratio_high = 0.01, high_keep_fraction = 0.5, ratio_random = 0.5, ratio_low = 0;
  double momentum = 0.9999, temp_t = 0.1, temp_s = 1;
  std::string momentum_schedule = "constant", compat;

  void visit(config::Visitor& v) {
    v("head", head, "net of student and teacher; it must give attention");
    v("alpha", alpha, "weight of the consistency with the teacher (.1 CAMELYON16, .5 lung)", config::Range{0, 100});
    v("ratio_high", ratio_high, "part of highest attention to lose at the start; falls by a cosine to 0", config::Range{0, 1});
    v("high_keep_fraction", high_keep_fraction, "the random fraction that is lost of so many more candidates", config::Range{0, 1, config::kOpenLow});
    v("ratio_random", ratio_random, "random part to lose", config::Range{0, 1});
    v("ratio_low", ratio_low, "part of lowest attention to lose", config::Range{0, 1});
    v("momentum", momentum, "of the teacher, a step", config::Range{0, 1});
    v("momentum_schedule", momentum_schedule, "constant, or a cosine from there to 1", config::OneOf{{"constant", "cosine"}});
    v("temp_t", temp_t, "temperature of the teacher's features", config::Range{0, 100, config::kOpenLow});
    v("temp_s", temp_s, "temperature of the student's features", config::Range{0, 100, config::kOpenLow});
    v("compat", compat, "mhim: leave the teacher's dropout on, as the code does", config::OneOf{{"", "mhim"}});
  }
  void validate(config::Problems& p) const;
};

/// -sum_d softmax(teacher / temp_t)_d log softmax(student / temp_s)_d; no gradient into the teacher.
///
/// Shapes   teacher_BE, student_BE -> [B].
Tensor feature_consistency(const Tensor& teacher_BE, const Tensor& student_BE, double temp_t, double temp_s);

/// Masked hard instance mining (Tang et al. 2023, arXiv:2307.15254), version 1, in front of any head that gives attention: a moving-average teacher
/// sees all tiles and its attention decides which ones the student loses. Evaluation: the student, all tiles.
///
/// Shapes   features [N, in_dim]; own loss "consistency". A bag that would lose all tiles loses none.
/// Differs  the teacher is in evaluation, as in the paper, unless `compat` says otherwise; the average covers parameters only.
/// Checked  golden mil.mhim, mil.mhim_mask; tests/mil/test_heads.cpp.
class Mhim : public Head {
 public:
  Mhim(const MhimConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;
  void after_update(const Pass& pass) override;

  struct Detail {
    HeadOutput out, teacher;
    Tensor consistency_B;
  };
  /// The tiles that the student keeps are given, one tensor a bag.
  Detail forward_kept(const BagBatch& bags, const HeadOutput& teacher, const std::vector<Tensor>& kept, const Pass& pass);
  HeadOutput ask_teacher(const BagBatch& bags, const Pass& pass);

 private:
  MhimConfig config_;
  std::shared_ptr<Head> student_, teacher_;
};

/// What version 2 does with the tiles that are not kept: cross-attention presses them into k tokens, whose queries follow a moving average.
/// Parameters `norm.*`, `attn.{to_q, to_kv}.weight`, `attn.to_out.0.*`; buffer `global_q_mm`.
///
/// Shapes   x_NE, noise_N (its ascending order says which int(N merge_ratio) rows are kept) -> [kept + k, E].
/// Differs  the queries move after the step; the authors' code moves them before the backward pass, which spoils a gradient.
/// Checked  golden mil.mhim_merge.
class MhimMergeImpl : public torch::nn::Module {
 public:
  struct Options {
    int64_t dim = 512, k = 5, heads = 8, dim_head = 64;
    double merge_ratio = 0.8, momentum = 0.9999;
  };
  explicit MhimMergeImpl(const Options& options);
  Tensor forward(const Tensor& x_NE, const Tensor& noise_N);
  /// Moves the queries towards the last pass's tokens. Called once a step.
  void update();
  Tensor queries() const { return global_q_mm_; }

 private:
  Options options_;
  LayerNorm norm_{nullptr};
  Linear to_q_{nullptr}, to_kv_{nullptr}, to_out_{nullptr};
  Tensor global_q_mm_, last_tokens_;
};
TORCH_MODULE(MhimMerge);

}  // namespace eosin::mil
