#pragma once
// Distillation from one of several frozen experts, as GPFM has it (Ma et al. 2024, arXiv:2407.18449).
#include "ssl/dino_head.h"
#include "ssl/feature_kd.h"

#include <ATen/TensorOperators.h>

namespace eosin::ssl {

struct ExpertLossOptions {
  double cls_weight = 1.0, patch_weight = 0.25;
  FeatureKdOptions cls{}, patch{"cosine_smooth_l1"};
};

/// Tokens of one network: the class token (or pooled feature) of each image, and its patches on their grid.
struct ClsAndPatches {
  Tensor cls_BD, patches_BND;
  nn::PatchGrid grid;
};

/// Both terms, weighted; the patches' is not computed, and undefined, where its weight is 0.
struct ExpertTerms {
  Tensor cls, patch;
  Tensor total() const { return patch.defined() ? cls + patch : cls; }
};

/// One head, of one linear layer, maps the student's class token and patches to the expert's width; each is compared by its feature_kd_loss().
///
/// Errors   as feature_kd_loss.
/// Checked  golden ssl.multi_teacher; tests/ssl/test_distill.cpp.
ExpertTerms expert_loss(DinoHead& head, const ClsAndPatches& student, const ClsAndPatches& expert, const ExpertLossOptions& options);

}  // namespace eosin::ssl
