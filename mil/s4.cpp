#include "mil/s4.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "mil/dropout.h"
#include "mil/scan.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

namespace eosin::mil {
namespace {

constexpr double kLeastDt = 1e-3, kMostDt = 1e-1;

}  // namespace

void S4Config::validate(config::Problems& p) const {
  if (d_state % 2 != 0) p.add("d_state", fmt::format("{} is odd (need an even number)", d_state));
}

S4Mil::S4Mil(const S4Config& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim, modes = config.d_state / 2;
  fc1_ = add_linear(*this, "_fc1.0", in_dim, dim);
  norm_ = add_norm(*this, "s4_block.0", dim);
  d_ = add_parameter(*this, "s4_block.1.D", {dim});
  log_dt_ = add_parameter(*this, "s4_block.1.kernel.log_dt", {dim});
  log_a_real_ = add_parameter(*this, "s4_block.1.kernel.log_A_real", {dim, modes});
  a_imag_ = add_parameter(*this, "s4_block.1.kernel.A_imag", {dim, modes});
  c_ = add_parameter(*this, "s4_block.1.kernel.C", {dim, modes, 2});
  output_ = module_at(*this, "s4_block.1.output_linear").register_module("0", torch::nn::Conv1d(torch::nn::Conv1dOptions(dim, 2 * dim, 1)));
  classifier_ = add_linear(*this, "classifier", dim, n_outputs);
}

void S4Mil::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  nn::init_normal(d_, 1, seed, "D");
  nn::init_normal(c_, std::numbers::sqrt2 / 2, seed, "C");
  nn::init_uniform(log_dt_, 1, seed, "log_dt");
  const at::NoGradGuard no_grad;
  log_dt_.add_(1).mul_(std::log(kMostDt / kLeastDt) / 2).add_(std::log(kLeastDt));
  log_a_real_.fill_(std::log(0.5));
  a_imag_.copy_((at::arange(a_imag_.size(1)) * std::numbers::pi).expand_as(a_imag_));
}

Tensor S4Mil::convolve(const Tensor& u_nE) const {
  const Tensor dt = log_dt_.exp().unsqueeze(1), re = -log_a_real_.exp(), im = a_imag_;
  const Tensor size = (dt * re).exp(), a_re = size * (dt * im).cos(), a_im = size * (dt * im).sin();
  // C (exp(dt A) - 1) / A
  const Tensor square = re * re + im * im;
  const Tensor q_re = ((a_re - 1) * re + a_im * im) / square, q_im = (a_im * re - (a_re - 1) * im) / square;
  const Tensor c_re = c_.select(2, 0), c_im = c_.select(2, 1);
  return diagonal_scan(u_nE.t(), a_re, a_im, c_re * q_re - c_im * q_im, c_re * q_im + c_im * q_re);
}

Tensor S4Mil::tokens(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Tensor x_NE = Dropout(pass, bags.offsets)(activate(project(fc1_, bags.features_ND), config_.act), config_.dropout, 0);
  std::vector<Tensor> parts;
  for (const Tensor& u_nE : split_bags(norm_(x_NE), bags.offsets)) {
    const Tensor y_En = at::gelu(convolve(u_nE) + d_.unsqueeze(1) * u_nE.t());
    parts.push_back(at::glu(output_(y_En.unsqueeze(0)), 1)[0].t());
  }
  return at::cat(parts);
}

HeadOutput S4Mil::forward(const BagBatch& bags, const Pass& pass) {
  std::vector<Tensor> vectors;
  for (const Tensor& t : split_bags(tokens(bags, pass), bags.offsets)) vectors.push_back(std::get<0>(t.max(0)));
  HeadOutput out;
  out.embedding_BE = at::stack(vectors);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
