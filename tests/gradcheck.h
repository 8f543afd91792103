#pragma once
// Gradients against central differences in float64.
#include "core/tensor/tensor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace eosin {

/// Checks autograd's gradient of the scalar `f` with respect to leaf tensors that it reads, at up to `entries` spread entries of each.
/// The tensors must be float64, contiguous and require gradients.
inline void expect_gradients(const std::function<Tensor()>& f, const std::vector<std::pair<std::string, Tensor>>& leaves, int64_t entries = 12,
                             double tolerance = 1e-6) {
  constexpr double kStep = 1e-5;
  for (const auto& [name, t] : leaves) {
    ASSERT_EQ(t.scalar_type(), at::kDouble) << name;
    t.mutable_grad() = Tensor();
  }
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // the tensors are tiny
  f().backward();
  for (const auto& [name, t] : leaves) {
    const Tensor grad = t.grad().defined() ? t.grad().contiguous() : at::zeros_like(t);
    double* x = t.data_ptr<double>();
    const int64_t stride = std::max<int64_t>(1, t.numel() / entries);
    for (int64_t i = 0; i < t.numel(); i += stride) {
      const at::NoGradGuard no_grad;
      const double kept = x[i];
      x[i] = kept + kStep;
      const double above = f().item<double>();
      x[i] = kept - kStep;
      const double below = f().item<double>();
      x[i] = kept;
      const double want = (above - below) / (2 * kStep), got = grad.data_ptr<double>()[i];
      EXPECT_NEAR(got, want, tolerance * (1 + std::abs(want))) << name << "[" << i << "]";
    }
  }
  at::set_num_threads(threads);
}

}  // namespace eosin
