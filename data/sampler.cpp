#include "data/sampler.h"

#include "core/base/error.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace eosin::data {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;

constexpr uint64_t mix(uint64_t z) {
  z ^= z >> 30;
  z *= 0xBF58476D1CE4E5B9;
  z ^= z >> 27;
  z *= 0x94D049BB133111EB;
  z ^= z >> 31;
  return z;
}

constexpr uint64_t low_bits(int width) { return (uint64_t{1} << width) - 1; }

class UniformSampler final : public Sampler {
 public:
  UniformSampler(uint64_t n, uint64_t seed) : n_(n), seed_(seed) { EOSIN_CHECK(n > 0, Config, "[sampler] nothing to sample (got 0 tiles)"); }
  Sample at(uint64_t position) const override { return {Permutation(n_, seed_, position / n_)(position % n_), 0}; }

 private:
  uint64_t n_, seed_;
};

class BlockSampler final : public Sampler {
 public:
  BlockSampler(uint64_t n, uint64_t block, uint64_t window, uint64_t seed) : n_(n), block_(block), window_(window), seed_(seed) {
    EOSIN_CHECK(n > 0 && block > 0 && window > 0, Config, "[sampler] n, block and window must be at least 1 (got {}, {}, {})", n, block, window);
    n_blocks_ = n / block + (n % block != 0);
    window_ = std::min(window, n_blocks_);
    missing_ = n_blocks_ * block - n;
  }

  Sample at(uint64_t position) const override {
    const Epoch e(*this, position / n_);
    const uint64_t q = position % n_, w = e.window_of(q);
    const uint64_t first = e.first_of(w), j = first + Permutation(e.first_of(w + 1) - first, seed_, e.number, 2 + w)(q - first);
    uint64_t k = j / block_;
    if (j >= e.records_before(k + 1)) ++k;
    return {e.order(k) * block_ + (j - e.records_before(k)), 0};
  }

  std::optional<SampleWindow> window(uint64_t position) const override {
    const Epoch e(*this, position / n_);
    const uint64_t w = e.window_of(position % n_), begin = e.number * n_;
    SampleWindow window{begin + e.first_of(w), begin + e.first_of(w + 1), {}};
    for (uint64_t k = w * window_; k < std::min((w + 1) * window_, n_blocks_); ++k) {
      const uint64_t first = e.order(k) * block_;
      window.records.push_back({first, std::min(block_, n_ - first)});
    }
    return window;
  }

 private:
  /// The blocks of one epoch in their order. All are of equal length but the last one of the store, which comes somewhere in it.
  struct Epoch {
    Epoch(const BlockSampler& s, uint64_t n) : sampler(s), number(n), order(s.n_blocks_, s.seed_, n, 1), short_at(order.inverse(s.n_blocks_ - 1)) {}
    uint64_t records_before(uint64_t blocks) const { return blocks * sampler.block_ - (short_at < blocks ? sampler.missing_ : 0); }
    uint64_t first_of(uint64_t window) const { return records_before(std::min(window * sampler.window_, sampler.n_blocks_)); }
    uint64_t window_of(uint64_t q) const {
      const uint64_t w = q / (sampler.window_ * sampler.block_);
      return q >= first_of(w + 1) ? w + 1 : w;
    }
    const BlockSampler& sampler;
    const uint64_t number;
    const Permutation order;
    const uint64_t short_at;
  };

  uint64_t n_, block_, window_, seed_, n_blocks_ = 0, missing_ = 0;
};

class QuotaSampler final : public Sampler {
 public:
  QuotaSampler(std::vector<uint64_t> sizes, std::vector<uint64_t> quotas, uint64_t seed)
      : sizes_(std::move(sizes)), quotas_(std::move(quotas)), seed_(seed) {
    EOSIN_CHECK(sizes_.size() == quotas_.size() && !sizes_.empty(), Config, "[sampler] need one quota a group (got {} groups, {} quotas)",
                sizes_.size(), quotas_.size());
    for (size_t g = 0; g < sizes_.size(); ++g)
      EOSIN_CHECK(quotas_[g] == 0 || sizes_[g] > 0, Config, "[sampler] group {} has quota {} but no tiles", g, quotas_[g]);
    ends_.resize(quotas_.size());
    std::partial_sum(quotas_.begin(), quotas_.end(), ends_.begin());
    EOSIN_CHECK(ends_.back() > 0, Config, "[sampler] the quotas sum to 0");
  }

  Sample at(uint64_t position) const override {
    const uint64_t length = ends_.back(), round = position / length;
    const uint64_t slot = Permutation(length, seed_, round, uint64_t{1} << 32)(position % length);
    const size_t g = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), slot) - ends_.begin());
    const uint64_t drawn = round * quotas_[g] + slot - (ends_[g] - quotas_[g]);
    const Permutation order(sizes_[g], seed_, drawn / sizes_[g], (uint64_t{1} << 33) + g);
    return {order(drawn % sizes_[g]), static_cast<uint32_t>(g)};
  }

 private:
  std::vector<uint64_t> sizes_, quotas_, ends_;
  uint64_t seed_;
};

class ListSampler final : public Sampler {
 public:
  explicit ListSampler(std::vector<uint64_t> indices) : indices_(std::move(indices)) {
    EOSIN_CHECK(!indices_.empty(), Config, "[sampler] the list of tiles is empty");
  }
  Sample at(uint64_t position) const override { return {indices_[position % indices_.size()], 0}; }

 private:
  std::vector<uint64_t> indices_;
};

}  // namespace

Permutation::Permutation(uint64_t n, uint64_t seed, uint64_t epoch, uint64_t stream, int rounds) : n_(n), rounds_(rounds) {
  EOSIN_CHECK(n > 0, Config, "[permutation] n must be at least 1 (got 0)");
  EOSIN_CHECK(rounds >= 2 && rounds <= 32 && rounds % 2 == 0, Config, "[permutation] rounds must be even and in 2..32 (got {})", rounds);
  const int bits = std::max(2, static_cast<int>(std::bit_width(n - 1)));
  left_bits_ = bits / 2;
  right_bits_ = bits - left_bits_;
  const uint64_t key = mix(mix(mix(seed + kGolden) ^ (epoch + 2 * kGolden)) ^ (stream + 3 * kGolden));
  for (int r = 0; r < rounds; ++r) keys_[static_cast<size_t>(r)] = mix(key + static_cast<uint64_t>(r + 1) * kGolden);
}

uint64_t Permutation::operator()(uint64_t position) const {
  EOSIN_ASSERT(position < n_);
  do position = forward(position);
  while (position >= n_);
  return position;
}

uint64_t Permutation::inverse(uint64_t index) const {
  EOSIN_ASSERT(index < n_);
  do index = backward(index);
  while (index >= n_);
  return index;
}

uint64_t Permutation::forward(uint64_t x) const {
  uint64_t left = x >> right_bits_, right = x & low_bits(right_bits_);
  int left_bits = left_bits_, right_bits = right_bits_;
  for (int r = 0; r < rounds_; ++r) {
    left ^= mix(right + keys_[static_cast<size_t>(r)]) & low_bits(left_bits);
    std::swap(left, right);
    std::swap(left_bits, right_bits);
  }
  return left << right_bits_ | right;
}

uint64_t Permutation::backward(uint64_t x) const {
  uint64_t left = x >> right_bits_, right = x & low_bits(right_bits_);
  int left_bits = left_bits_, right_bits = right_bits_;
  for (int r = rounds_ - 1; r >= 0; --r) {
    std::swap(left, right);
    std::swap(left_bits, right_bits);
    left ^= mix(right + keys_[static_cast<size_t>(r)]) & low_bits(left_bits);
  }
  return left << right_bits_ | right;
}

std::unique_ptr<Sampler> uniform_sampler(uint64_t n, uint64_t seed) { return std::make_unique<UniformSampler>(n, seed); }

std::unique_ptr<Sampler> block_sampler(uint64_t n, uint64_t block, uint64_t window, uint64_t seed) {
  return std::make_unique<BlockSampler>(n, block, window, seed);
}

std::unique_ptr<Sampler> quota_sampler(std::vector<uint64_t> sizes, std::vector<uint64_t> quotas, uint64_t seed) {
  return std::make_unique<QuotaSampler>(std::move(sizes), std::move(quotas), seed);
}

std::unique_ptr<Sampler> list_sampler(std::vector<uint64_t> indices) { return std::make_unique<ListSampler>(std::move(indices)); }

}  // namespace eosin::data
