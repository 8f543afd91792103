#include "ssl/soft_targets.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/sinkhorn.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <limits>

namespace eosin::ssl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();  // the logarithm of an empty sum

Tensor empty_sums(const at::TensorOptions& options, int64_t n) { return at::full({n}, kNothing, options); }

/// log sum exp over the rows of all ranks.
Tensor over_rows(const Tensor& logits, Comm& comm) {
  const Tensor own = logits.size(0) > 0 ? at::logsumexp(logits, 0) : empty_sums(logits.options(), logits.size(1));
  return comm.size() == 1 ? own : at::logsumexp(comm.all_gather(own.unsqueeze(0)), 0);
}

SoftTargets bare_targets(const Tensor& features_MD, const Tensor& prototypes_KD, double temperature) {
  return {in_product_type(features_MD.detach()), in_product_type(prototypes_KD.detach()), temperature, {}, {}, {}};
}

}  // namespace

Tensor in_product_type(const Tensor& x) {
  const auto device = x.device().type();
  return at::autocast::is_autocast_enabled(device) && x.scalar_type() == at::kFloat ? x.to(at::autocast::get_autocast_dtype(device)) : x;
}

Tensor prototype_logits(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, int64_t begin, int64_t end) {
  return at_least_float(at::linear(features_ND / temperature, prototypes_KD.slice(0, begin, end)));  // the division where it is cheap
}

at::TensorOptions SoftTargets::options() const {
  return features_MD.options().dtype(features_MD.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
}

Tensor SoftTargets::chunk(int64_t begin, int64_t end) const {
  if (probabilities_MK.defined()) return probabilities_MK.slice(1, begin, end);
  const Tensor logits = prototype_logits(features_MD, prototypes_KD, temperature, begin, end);
  return logits.add_(column_K.slice(0, begin, end)).add_(row_M.unsqueeze(1)).exp_();
}

SoftTargets centred_targets(const Tensor& features_MD, const Tensor& prototypes_KD, const Tensor& center_1K, double temperature,
                            int64_t keep_at_most) {
  const at::NoGradGuard no_grad;
  SoftTargets targets = bare_targets(features_MD, prototypes_KD, temperature);
  const Tensor shift_K = center_1K.reshape({-1}) / -temperature;
  const auto shifted = [&](int64_t begin, int64_t end) {
    return prototype_logits(targets.features_MD, targets.prototypes_KD, temperature, begin, end).add_(shift_K.slice(0, begin, end));
  };
  if (targets.rows() * targets.prototypes() <= keep_at_most) {
    targets.probabilities_MK = at::softmax(shifted(0, targets.prototypes()), 1);
    return targets;
  }
  Tensor row_sums = empty_sums(targets.options(), targets.rows());
  for (int64_t begin = 0, end; begin < targets.prototypes(); begin = end) {
    end = std::min(begin + kPrototypeChunk, targets.prototypes());
    row_sums = at::logaddexp(row_sums, at::logsumexp(shifted(begin, end), 1));
  }
  targets.column_K = shift_K;
  targets.row_M = -row_sums;
  return targets;
}

SoftTargets sinkhorn_targets(const Tensor& features_MD, const Tensor& prototypes_KD, double temperature, int64_t iterations, Comm& comm,
                             int64_t keep_at_most) {
  const at::NoGradGuard no_grad;
  EOSIN_ASSERT(iterations > 0);
  SoftTargets targets = bare_targets(features_MD, prototypes_KD, temperature);
  const auto logits = [&](int64_t begin, int64_t end) {
    return prototype_logits(targets.features_MD, targets.prototypes_KD, temperature, begin, end);
  };
  const bool keep = targets.rows() * targets.prototypes() <= keep_at_most;
  if (keep && comm.size() == 1) {  // several ranks have different numbers of rows and must meet at the same places all the same
    targets.probabilities_MK = sinkhorn(logits(0, targets.prototypes()), 1.0, iterations, comm);
    return targets;
  }
  targets.column_K = empty_sums(targets.options(), targets.prototypes());
  targets.row_M = at::zeros({targets.rows()}, targets.options());
  for (int64_t i = 0; i < iterations; ++i) {
    // A chunk has all rows of its prototypes, so that its column scales are final before its share of the row sums is taken: one pass.
    Tensor row_sums = empty_sums(targets.options(), targets.rows());
    for (int64_t begin = 0, end; begin < targets.prototypes(); begin = end) {
      end = std::min(begin + kPrototypeChunk, targets.prototypes());
      const Tensor chunk = logits(begin, end), column = targets.column_K.slice(0, begin, end);
      column.copy_(-over_rows(chunk + targets.row_M.unsqueeze(1), comm));
      row_sums = at::logaddexp(row_sums, at::logsumexp(chunk + column, 1));
    }
    targets.row_M = -row_sums;
  }
  if (keep) targets.probabilities_MK = targets.chunk(0, targets.prototypes());
  return targets;
}

}  // namespace eosin::ssl
