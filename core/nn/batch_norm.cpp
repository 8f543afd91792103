#include "core/nn/batch_norm.h"

#include "core/base/error.h"
#include "core/tensor/gather.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include <algorithm>

namespace eosin::nn {

BatchNormImpl::BatchNormImpl(int64_t dim, std::shared_ptr<Comm> comm, const BatchNormOptions& options)
    : dim_(dim), comm_(std::move(comm)), options_(options) {
  EOSIN_ASSERT(comm_ != nullptr);
  if (options.affine) {
    weight = register_parameter("weight", torch::ones({dim}));
    bias = register_parameter("bias", torch::zeros({dim}));
  }
  running_mean = register_buffer("running_mean", torch::zeros({dim}));
  running_var = register_buffer("running_var", torch::ones({dim}));
  num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong));
}

namespace {

/// A step that is not finite is skipped, but its forward pass has happened: what it would put into the running figures stays out.
void take_finite(Tensor& running, const Tensor& moved) { running.copy_(at::where(moved.isfinite(), moved, running)); }

}  // namespace

/// The ranks' means and variances, joined: the variance of all is the mean variance plus the variance of the means. Their gradients go
/// back through the gather.
Tensor BatchNormImpl::normalise_over_ranks(const Tensor& x_ND, int64_t rows) {
  const bool images = x_ND.dim() == 4;
  const std::vector<int64_t> reduced = images ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>{0};
  const auto column = [&](const Tensor& t) { return images ? t.view({-1, 1, 1}) : t; };
  const Tensor mine = at::stack({x_ND.mean(reduced), x_ND.var(reduced, false)}).unsqueeze(0);
  const Tensor ranks_R2D = gather_rows(mine, comm_);
  const Tensor mean = ranks_R2D.select(1, 0).mean(0);
  const Tensor var = ranks_R2D.select(1, 1).mean(0) + (ranks_R2D.select(1, 0) - mean).square().mean(0);
  {
    const at::NoGradGuard no_grad;
    take_finite(running_mean, running_mean.lerp(mean, options_.momentum));
    take_finite(running_var, running_var.lerp(var * (static_cast<double>(rows) / static_cast<double>(rows - 1)), options_.momentum));
  }
  const Tensor unit = (x_ND - column(mean)) * column((var + options_.eps).rsqrt());
  return weight.defined() ? unit * column(weight) + column(bias) : unit;
}

Tensor BatchNormImpl::forward(const Tensor& x_ND) {
  EOSIN_CHECK((x_ND.dim() == 2 || x_ND.dim() == 4) && x_ND.size(1) == dim_, Shape, "[batch_norm] input of [{}] (need [N, {}], or [N, {}, H, W])",
              fmt::join(x_ND.sizes().vec(), ", "), dim_, dim_);
  const int64_t rows = x_ND.numel() / dim_ * comm_->size();
  EOSIN_CHECK(!is_training() || rows > 1, Shape, "[batch_norm] a batch of {} row (need at least 2 over all ranks); raise train.batch_size", rows);
  const FullPrecision full;
  const Tensor x = at_least_float(x_ND);
  if (is_training()) num_batches_tracked.add_(1);
  if (is_training() && comm_->size() > 1) return normalise_over_ranks(x, rows);
  if (!is_training()) return at::batch_norm(x, weight, bias, running_mean, running_var, false, options_.momentum, options_.eps, false);
  const Tensor mean = running_mean.clone(), var = running_var.clone();
  const Tensor out = at::batch_norm(x, weight, bias, mean, var, true, options_.momentum, options_.eps, false);
  const at::NoGradGuard no_grad;
  take_finite(running_mean, mean);
  take_finite(running_var, var);
  return out;
}

bool has_batch_norm(const torch::nn::Module& module) {
  const auto modules = module.modules();
  return std::any_of(modules.begin(), modules.end(), [](const auto& m) { return m->template as<BatchNormImpl>() != nullptr; });
}

}  // namespace eosin::nn
