#include "core/kernels/adamw.h"

#include "core/base/error.h"
#include "core/kernels/adamw_slots.h"
#include "core/tensor/device.h"

#include <cmath>
#include <map>
#include <utility>

namespace eosin::kernels {
namespace {

void check(const AdamWTensor& t, size_t index) {
  EOSIN_CHECK(t.p.defined() && (t.p.scalar_type() == at::kFloat || t.p.scalar_type() == at::kDouble), Shape,
              "[adamw] parameter {} must be float32 or float64", index);
  EOSIN_CHECK(t.p.is_cpu() || t.p.is_cuda(), Shape, "[adamw] parameter {} is on {} (need cpu or cuda)", index, t.p.device().str());
  EOSIN_CHECK(t.step >= 1, Shape, "[adamw] parameter {}: step {} must count from 1", index, t.step);
  const std::pair<const char*, const Tensor*> parts[] = {{"p", &t.p}, {"g", &t.g}, {"m", &t.m}, {"v", &t.v}, {"vmax", &t.vmax}, {"ema", &t.ema}};
  for (const auto& [name, part] : parts) {
    if (!part->defined()) {
      const bool optional = t.g.defined() || t.m.defined() || t.v.defined() ? part == &t.vmax || part == &t.ema : part != &t.ema;
      EOSIN_CHECK(optional, Shape, "[adamw] parameter {}: {} is missing", index, name);
      continue;
    }
    EOSIN_CHECK(part->numel() == t.p.numel() && part->scalar_type() == t.p.scalar_type() && part->device() == t.p.device() && part->is_contiguous(),
                Shape,
                "[adamw] parameter {}: {} must be contiguous with p's size, element type and device (got {} {} elements on {}, need {} {} on {})",
                index, name, part->numel(), c10::toString(part->scalar_type()), part->device().str(), t.p.numel(), c10::toString(t.p.scalar_type()),
                t.p.device().str());
  }
}

template <class T>
AdamWSlot<T> make_slot(const AdamWTensor& t, const AdamWOptions& o) {
  const auto data = [](const Tensor& x) { return x.defined() ? x.data_ptr<T>() : nullptr; };
  const double bc1 = 1 - std::pow(o.beta1, static_cast<double>(t.step)), bc2 = 1 - std::pow(o.beta2, static_cast<double>(t.step));
  AdamWRates<T> r{};
  r.keep = static_cast<T>(1 - t.lr * t.weight_decay);
  r.lerp1 = static_cast<T>(1 - o.beta1);
  r.beta2 = static_cast<T>(o.beta2);
  r.lerp2 = static_cast<T>(1 - o.beta2);
  r.step_size = static_cast<T>(t.lr / bc1);
  r.root_bc2 = static_cast<T>(std::sqrt(bc2));
  r.eps = static_cast<T>(o.eps);
  r.grad_scale = static_cast<T>(t.grad_scale);
  r.ema_keep = static_cast<T>(o.ema_momentum);
  r.ema_lerp = static_cast<T>(1 - o.ema_momentum);
  return {data(t.p), data(t.m), data(t.v), data(t.vmax), data(t.ema), data(t.g), t.p.numel(), r};
}

void step_cuda(const std::vector<AdamWSlot<float>>& slots, int device) {
  static const auto function = reinterpret_cast<CudaAdamW<float>>(device::cuda_function("eosin_cuda_adamw_f32"));
  const char* problem = function(slots.data(), static_cast<int>(slots.size()), device);
  EOSIN_CHECK(problem == nullptr, Internal, "[adamw] the CUDA kernel failed on device {}: {}", device, problem);
}
void step_cuda(const std::vector<AdamWSlot<double>>& slots, int device) {
  static const auto function = reinterpret_cast<CudaAdamW<double>>(device::cuda_function("eosin_cuda_adamw_f64"));
  const char* problem = function(slots.data(), static_cast<int>(slots.size()), device);
  EOSIN_CHECK(problem == nullptr, Internal, "[adamw] the CUDA kernel failed on device {}: {}", device, problem);
}

/// The tensors of type T, by their device.
template <class T>
void step_type(std::span<const AdamWTensor> tensors, const AdamWOptions& options) {
  std::map<int, std::vector<AdamWSlot<T>>> by_device;  // -1: CPU
  for (const AdamWTensor& t : tensors)
    if (t.p.scalar_type() == c10::CppTypeToScalarType<T>::value) by_device[t.p.is_cpu() ? -1 : t.p.get_device()].push_back(make_slot<T>(t, options));
  for (const auto& [device, slots] : by_device) device < 0 ? adamw_step_cpu(slots) : step_cuda(slots, device);
}

}  // namespace

void adamw_step(std::span<const AdamWTensor> tensors, const AdamWOptions& options) {
  for (size_t i = 0; i < tensors.size(); ++i) check(tensors[i], i);
  step_type<float>(tensors, options);
  step_type<double>(tensors, options);
}

}  // namespace eosin::kernels
