#include "core/nn/rope.h"

#include "core/base/rng.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace eosin::nn {
namespace {

double spread(RandomStream& stream, double range) { return (2.0 * static_cast<double>(stream.uniform()) - 1.0) * range; }

Tensor centres(int64_t count, int64_t side, double shift, double factor) {
  const Tensor inside = (at::arange(count, at::kDouble) + 0.5) / static_cast<double>(side);
  return (2.0 * inside - 1.0 + shift) * factor;
}

}  // namespace

void RopeConfig::validate(config::Problems& p) const {
  if (min_period.has_value() != max_period.has_value()) p.add("min_period", "min_period and max_period go together; give both or neither");
  if (min_period && max_period && *min_period >= *max_period) p.add("max_period", "must be greater than min_period");
}

RopeChange draw_rope_change(const RopeConfig& config, DropPathKey key, uint32_t group) {
  RandomStream stream(key.seed, key.position, group, RandomOp::kRope);
  RopeChange change;
  for (double& shift : change.shift) shift = spread(stream, config.shift.value_or(0));
  for (double& factor : change.jitter) factor = std::exp(spread(stream, std::log(config.jitter.value_or(1))));
  change.rescale = std::exp(spread(stream, std::log(config.rescale.value_or(1))));
  return change;
}

Tensor rope_periods(const RopeConfig& config, int64_t head_dim) {
  const int64_t count = head_dim / 4;
  const Tensor k = at::arange(count, at::kDouble);
  if (!config.min_period || !config.max_period) return at::pow(config.base, 2.0 * k / static_cast<double>(head_dim / 2)).to(at::kFloat);
  const double ratio = *config.max_period / *config.min_period;
  return (*config.min_period * at::pow(ratio, k / static_cast<double>(std::max<int64_t>(count - 1, 1)))).to(at::kFloat);
}

Tensor rope_coordinates(PatchGrid grid, const std::string& normalize, const RopeChange& change) {
  const int64_t greater = std::max(grid.rows, grid.cols), smaller = std::min(grid.rows, grid.cols);
  const auto side = [&](int64_t own) { return normalize == "max" ? greater : normalize == "min" ? smaller : own; };
  const Tensor rows = centres(grid.rows, side(grid.rows), change.shift[0], change.jitter[0] * change.rescale);
  const Tensor cols = centres(grid.cols, side(grid.cols), change.shift[1], change.jitter[1] * change.rescale);
  return at::stack({rows.repeat_interleave(grid.cols), cols.repeat({grid.rows})}, 1);
}

RopeTable rope_table(const Tensor& coordinates_N2, const Tensor& periods) {
  const Tensor turns = coordinates_N2.to(periods.options()).unsqueeze(-1) / periods;  // [..., N, 2, d/4]
  const Tensor half = 2.0 * std::numbers::pi * turns.flatten(-2);
  Tensor angles = at::cat({half, half}, -1);
  if (angles.dim() == 3) angles = angles.unsqueeze(1);
  return {angles.sin(), angles.cos()};
}

Tensor rotate(const Tensor& heads_BHTd, const RopeTable& table) {
  const int64_t prefix = heads_BHTd.size(2) - table.sin.size(-2);
  const Tensor x = heads_BHTd.slice(2, prefix).to(table.sin.scalar_type());
  const std::vector<Tensor> half = x.chunk(2, -1);
  const Tensor turned = (x * table.cos + at::cat({-half[1], half[0]}, -1) * table.sin).to(heads_BHTd.scalar_type());
  return prefix > 0 ? at::cat({heads_BHTd.slice(2, 0, prefix), turned}, 2) : turned;
}

RopeEmbedImpl::RopeEmbedImpl(const RopeConfig& config, int64_t head_dim) : periods(register_buffer("periods", rope_periods(config, head_dim))) {}

}  // namespace eosin::nn
