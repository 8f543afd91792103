#include "ssl/prototype_loss.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

namespace eosin::ssl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Which target rows a student row is compared with.
struct Pairs {
  int64_t crops = 1, teacher_crops = 1;
  bool with_own = false;  // else a crop is not compared with the teacher's crop of its number

  int64_t own_crops() const { return with_own ? 0 : teacher_crops; }
  /// Number of partners of each crop's rows, as [crops, 1].
  Tensor counts(const Tensor& like) const {
    Tensor counts = at::full({crops, 1}, static_cast<double>(teacher_crops), like.options());
    counts.slice(0, 0, own_crops()).sub_(1);
    return counts;
  }
};

/// The student's logits, made chunk by chunk; where they are few and the targets are kept they are made at once and kept for the backward pass.
struct StudentLogits {
  Tensor features, prototypes;
  double temperature = 1;
  Tensor kept;

  void keep() {
    if (features.size(0) * prototypes.size(0) <= kKeptTargets) kept = chunk(0, prototypes.size(0));
  }
  Tensor chunk(int64_t begin, int64_t end) const {
    return kept.defined() ? kept.slice(1, begin, end) : prototype_logits(features, prototypes, temperature, begin, end);
  }
};

/// One pass over chunks of prototypes: `visit(student logits [V, B, k], targets [T, B, k], begin, end)`, both to be read only.
template <class Visit>
void for_chunks(const StudentLogits& logits, const SoftTargets& targets, const Pairs& pairs, Visit visit) {
  const int64_t prototypes = logits.prototypes.size(0);
  for (int64_t begin = 0, end; begin < prototypes; begin = end) {
    end = std::min(begin + kPrototypeChunk, prototypes);
    visit(logits.chunk(begin, end).view({pairs.crops, -1, end - begin}), targets.chunk(begin, end).view({pairs.teacher_crops, -1, end - begin}),
          begin, end);
  }
}

struct PairedCrossEntropy : torch::autograd::Function<PairedCrossEntropy> {
  /// sum over partners t of (log sum exp s - t s), with both terms gathered over the chunks.
  static Tensor forward(AutogradContext* context, const Tensor& features_ND, const Tensor& prototypes_KD, double temperature,
                        const SoftTargets& targets, const Pairs& pairs) {
    const at::NoGradGuard no_grad;
    StudentLogits logits{in_product_type(features_ND), in_product_type(prototypes_KD), temperature, {}};
    if (targets.probabilities_MK.defined()) logits.keep();
    const int64_t batch = features_ND.size(0) / pairs.crops, own = pairs.own_crops();
    const auto options = targets.options();
    Tensor log_sums = at::full({pairs.crops, batch}, -std::numeric_limits<double>::infinity(), options);
    Tensor agreement = at::zeros({pairs.crops, batch}, options);
    for_chunks(logits, targets, pairs, [&](const Tensor& s_VBk, const Tensor& t_TBk, int64_t, int64_t) {
      log_sums = at::logaddexp(log_sums, at::logsumexp(s_VBk, -1));
      if (own > 0) agreement.slice(0, 0, own) -= (s_VBk.slice(0, 0, own) * t_TBk).sum(-1);
      agreement += (s_VBk * t_TBk.sum(0)).sum(-1);
    });
    context->save_for_backward({logits.features, logits.prototypes, logits.kept, log_sums, targets.features_MD, targets.prototypes_KD,
                                targets.column_K, targets.row_M, targets.probabilities_MK});
    auto& saved = context->saved_data;
    saved["temperature"] = temperature, saved["target_temperature"] = targets.temperature;
    saved["crops"] = pairs.crops, saved["teacher_crops"] = pairs.teacher_crops, saved["with_own"] = pairs.with_own;
    saved["feature_type"] = features_ND.scalar_type(), saved["prototype_type"] = prototypes_KD.scalar_type();
    return pairs.counts(log_sums) * log_sums - agreement;
  }

  /// d row / d s = (partners * softmax(s) - sum of targets) / T.
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const at::NoGradGuard no_grad;
    auto& saved = context->saved_data;
    const auto kept = context->get_saved_variables();
    const StudentLogits logits{kept[0], kept[1], saved["temperature"].toDouble(), kept[2]};
    const Tensor &features = logits.features, &prototypes = logits.prototypes, &log_sums = kept[3];
    const SoftTargets targets{kept[4], kept[5], saved["target_temperature"].toDouble(), kept[6], kept[7], kept[8]};
    const Pairs pairs{saved["crops"].toInt(), saved["teacher_crops"].toInt(), saved["with_own"].toBool()};
    const Tensor weight_VB1 = (grads[0] / logits.temperature).unsqueeze(-1), counts_V11 = pairs.counts(log_sums).unsqueeze(-1);
    const int64_t own = pairs.own_crops();
    Tensor to_features = at::zeros(features.sizes(), log_sums.options()), to_prototypes = at::empty(prototypes.sizes(), log_sums.options());
    for_chunks(logits, targets, pairs, [&](const Tensor& s_VBk, const Tensor& t_TBk, int64_t begin, int64_t end) {
      Tensor d_VBk = s_VBk.sub(log_sums.unsqueeze(-1)).exp_().mul_(counts_V11).sub_(t_TBk.sum(0));
      if (own > 0) d_VBk.slice(0, 0, own).add_(t_TBk);
      const Tensor d_Nk = d_VBk.mul_(weight_VB1).view({features.size(0), end - begin}).to(features.scalar_type());
      to_features += d_Nk.matmul(prototypes.slice(0, begin, end));
      to_prototypes.slice(0, begin, end).copy_(d_Nk.t().matmul(features));
    });
    return {to_features.to(saved["feature_type"].toScalarType()), to_prototypes.to(saved["prototype_type"].toScalarType()), {}, {}, {}};
  }
};

Tensor paired(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets, const Pairs& pairs) {
  EOSIN_CHECK(pairs.crops > 0 && pairs.teacher_crops > 0, Shape, "[prototype_loss] {} student and {} teacher crops make no pairs", pairs.crops,
              pairs.teacher_crops);
  const int64_t batch = features_ND.size(0) / pairs.crops;
  EOSIN_CHECK(
      features_ND.size(0) == batch * pairs.crops && targets.rows() == batch * pairs.teacher_crops && targets.prototypes() == prototypes_KD.size(0),
      Shape, "[prototype_loss] {} student and {} target rows of {} and {} prototypes are not {} and {} crops of one batch", features_ND.size(0),
      targets.rows(), prototypes_KD.size(0), targets.prototypes(), pairs.crops, pairs.teacher_crops);
  return PairedCrossEntropy::apply(features_ND, prototypes_KD, temperature, targets, pairs);
}

}  // namespace

Tensor crop_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets, int64_t crops,
                          int64_t teacher_crops) {
  EOSIN_CHECK(crops >= teacher_crops && crops > 1, Shape, "[prototype_loss] {} student and {} teacher crops make no pairs", crops, teacher_crops);
  return paired(features_ND, prototypes_KD, temperature, targets, {crops, teacher_crops, false});
}

Tensor pair_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets,
                          int64_t student_crops, int64_t teacher_crops) {
  return paired(features_ND, prototypes_KD, temperature, targets, {student_crops, teacher_crops, true});
}

}  // namespace eosin::ssl
