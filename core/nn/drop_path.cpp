#include "core/nn/drop_path.h"

#include "core/base/error.h"
#include "core/base/rng.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::nn {

int64_t kept_count(int64_t sequences, double rate) {
  return std::max<int64_t>(static_cast<int64_t>(std::floor(static_cast<double>(sequences) * (1 - rate))), 1);
}

std::vector<int64_t> draw_kept(int64_t sequences, double rate, DropPathKey key, uint32_t slot) {
  RandomStream stream(key.seed, key.position, slot, RandomOp::kDropPath);
  std::vector<int64_t> order(static_cast<size_t>(sequences));
  std::iota(order.begin(), order.end(), int64_t{0});
  const size_t kept = static_cast<size_t>(kept_count(sequences, rate));
  for (size_t i = 0; i < kept; ++i) std::swap(order[i], order[i + stream.below(static_cast<uint32_t>(order.size() - i))]);
  order.resize(kept);
  std::sort(order.begin(), order.end());
  return order;
}

Tensor add_on_subset(const Tensor& tokens_TD, const TokenGroups& groups, const std::vector<std::vector<int64_t>>& kept,
                     const std::function<Tensor(const Tensor&, const TokenGroups&)>& branch) {
  EOSIN_ASSERT(kept.size() == groups.size());
  std::vector<Tensor> rows, scales;
  TokenGroups subset;
  int64_t start = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto count = static_cast<int64_t>(kept[g].size());
    const Tensor first = at::tensor(kept[g], at::kLong) * groups[g].length + start;
    rows.push_back((first.unsqueeze(1) + at::arange(groups[g].length, at::kLong)).flatten());
    scales.push_back(at::full({count * groups[g].length, 1}, static_cast<double>(groups[g].sequences) / static_cast<double>(count),
                              tokens_TD.options().requires_grad(false)));
    subset.push_back({count, groups[g].length});
    start += groups[g].tokens();
  }
  const Tensor index =
      at::cat(rows).to(tokens_TD.device(), /*non_blocking=*/true);  // two a block: waiting for the device would cost the lead over it
  return tokens_TD.index_add(0, index, branch(tokens_TD.index_select(0, index), subset) * at::cat(scales));
}

Tensor add_branch(const Tensor& x, double rate, const GroupDropPath& drop_path, uint32_t slot, const std::function<Tensor(const Tensor&)>& branch) {
  if (!drop_path.key || rate <= 0) return x + branch(x);
  constexpr uint32_t kSlotsOfAGroup = 1 << 16;
  const std::vector<int64_t> kept = draw_kept(x.size(0), rate, *drop_path.key, drop_path.group * kSlotsOfAGroup + slot);
  const Tensor index = at::tensor(kept, at::kLong).to(x.device());
  const double scale = static_cast<double>(x.size(0)) / static_cast<double>(kept.size());
  return x.index_add(0, index, (branch(x.index_select(0, index)) * scale).to(x.scalar_type()));
}

double drop_rate_at(double rate, bool uniform, int64_t index, int64_t depth) {
  if (uniform || depth == 1) return rate;
  return rate * static_cast<double>(index) / static_cast<double>(depth - 1);
}

}  // namespace eosin::nn
