#include "ssl/expert_loss.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr nn::PatchGrid kOne{1, 1};

}  // namespace

ExpertTerms expert_loss(DinoHead& head, const ClsAndPatches& student, const ClsAndPatches& expert, const ExpertLossOptions& options) {
  ExpertTerms terms;
  terms.cls = options.cls_weight * feature_kd_loss(head(student.cls_BD).unsqueeze(1), kOne, expert.cls_BD.unsqueeze(1), kOne, options.cls);
  if (options.patch_weight > 0)
    terms.patch = options.patch_weight * feature_kd_loss(head(student.patches_BND), student.grid, expert.patches_BND, expert.grid, options.patch);
  return terms;
}

}  // namespace eosin::ssl
