#include "core/kernels/adamw.h"

#include "core/base/error.h"

#include <utility>

namespace eosin::kernels {
namespace {

void check(const AdamWTensor& t, size_t index) {
  EOSIN_CHECK(t.p.defined() && (t.p.scalar_type() == at::kFloat || t.p.scalar_type() == at::kDouble), Shape,
              "[adamw] parameter {} must be float32 or float64", index);
  EOSIN_CHECK(t.step >= 1, Shape, "[adamw] parameter {}: step {} must count from 1", index, t.step);
  const std::pair<const char*, const Tensor*> parts[] = {{"p", &t.p}, {"g", &t.g}, {"m", &t.m}, {"v", &t.v}, {"vmax", &t.vmax}, {"ema", &t.ema}};
  for (const auto& [name, part] : parts) {
    if (!part->defined()) {
      EOSIN_CHECK(part == &t.vmax || part == &t.ema, Shape, "[adamw] parameter {}: {} is missing", index, name);
      continue;
    }
    EOSIN_CHECK(part->numel() == t.p.numel() && part->scalar_type() == t.p.scalar_type() && part->device() == t.p.device() && part->is_contiguous(),
                Shape,
                "[adamw] parameter {}: {} must be contiguous with p's size, element type and device (got {} {} elements on {}, need {} {} on {})",
                index, name, part->numel(), c10::toString(part->scalar_type()), part->device().str(), t.p.numel(), c10::toString(t.p.scalar_type()),
                t.p.device().str());
  }
}

}  // namespace

void adamw_step(std::span<const AdamWTensor> tensors, const AdamWOptions& options) {
  for (size_t i = 0; i < tensors.size(); ++i) check(tensors[i], i);
  if (tensors.empty()) return;
  EOSIN_CHECK(tensors[0].p.is_cpu(), Config, "[adamw] no kernel for device {}", tensors[0].p.device().str());
  adamw_step_cpu(tensors, options);
}

}  // namespace eosin::kernels
