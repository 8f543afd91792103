#include "mil/dropout.h"

#include "core/base/rng.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace eosin::mil {
namespace {

/// Word w % 4 of block w / 4 decides entry w of the bag, counted row by row.
void fill_factors(float* out, int64_t first, int64_t count, DrawKey key, uint32_t layer, double rate) {
  const auto kept = static_cast<float>(1.0 / (1.0 - rate));
  const auto threshold = static_cast<float>(rate);
  const int64_t begin_block = first / 4, end_block = (first + count + 3) / 4;
  at::parallel_for(begin_block, end_block, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      // 2^30 blocks in one counter word are 4e9 entries of a bag; the upper bits go beside the layer.
      const Words counter{static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.position >> 32),
                          layer * 65536u + static_cast<uint32_t>(block >> 32) * 256u + static_cast<uint32_t>(RandomOp::kDropPath),
                          static_cast<uint32_t>(block)};
      const Words words = philox4x32(counter, {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t at = 4 * block + i - first;
        if (at >= 0 && at < count) out[at] = uniform(words[static_cast<size_t>(i)]) < threshold ? 0.0f : kept;
      }
    }
  });
}

}  // namespace

Tensor Dropout::operator()(const Tensor& x_ND, double rate, uint32_t layer) const {
  if (!pass_.draws || rate == 0) return x_ND;
  const int64_t width = x_ND.size(1);
  Tensor factors = at::empty({x_ND.size(0), width}, at::kFloat);
  float* out = factors.mutable_data_ptr<float>();
  for (size_t b = 0; b + 1 < offsets_.size(); ++b) {
    const int64_t from = offsets_[b], rows = offsets_[b + 1] - from;
    const DrawKey key{pass_.draws->seed, pass_.draws->position + b};
    fill_factors(out + from * width, first_row_ * width, rows * width, key, layer, rate);
  }
  return x_ND * factors.to(x_ND.options());
}

}  // namespace eosin::mil
