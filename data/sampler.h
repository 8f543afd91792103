#pragma once
// The order of samples as a closed form: no list is stored, the state is one integer, and the order does not depend on the number
// of ranks, threads or readers.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/tile_ranges.h"

namespace eosin::data {

/// A keyed bijection of 0..n-1: a Feistel network on the bits of n-1 with cycle walking.
///
/// Errors   Config if n < 1 or rounds is odd, < 2 or > 32.
/// Checked  golden data.feistel_permutation, tests/data/test_sampler.cpp.
class Permutation {
 public:
  Permutation(uint64_t n, uint64_t seed, uint64_t epoch, uint64_t stream = 0, int rounds = 8);
  uint64_t operator()(uint64_t position) const;
  /// The position of an index.
  uint64_t inverse(uint64_t index) const;

 private:
  uint64_t forward(uint64_t x) const;
  uint64_t backward(uint64_t x) const;
  uint64_t n_;
  int left_bits_, right_bits_;
  int rounds_;
  std::array<uint64_t, 32> keys_;
};

/// What lies at a position: a record, and for quota samplers the group that `index` counts in.
struct Sample {
  uint64_t index = 0;
  uint32_t group = 0;
  bool operator==(const Sample&) const = default;
};

/// Positions [begin, end) draw on these records alone, each once: they are best fetched whole, in advance.
struct SampleWindow {
  uint64_t begin = 0, end = 0;
  std::vector<TileRange> records;
};

/// A pure function from global position to sample. Thread-safe.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual Sample at(uint64_t position) const = 0;
  /// The window that holds a position, for samplers that have such.
  virtual std::optional<SampleWindow> window(uint64_t position) const { return std::nullopt; }
};

/// Each epoch of n positions is a permutation of its own.
/// Errors   Config if n < 1.
std::unique_ptr<Sampler> uniform_sampler(uint64_t n, uint64_t seed);
/// Blocks of consecutive records in random order, shuffled inside windows of `window` blocks: for disks that hate random reads.
/// Errors   Config if n, block or window < 1.
std::unique_ptr<Sampler> block_sampler(uint64_t n, uint64_t block, uint64_t window, uint64_t seed);
/// quotas[g] samples of group g in every sum(quotas) positions, each group traversed without repetition. A group of quota 0 never comes.
/// Errors   Config if there is no group, the quotas sum to 0, or a group with a quota is empty.
std::unique_ptr<Sampler> quota_sampler(std::vector<uint64_t> sizes, std::vector<uint64_t> quotas, uint64_t seed);

/// The given list again and again, in its order.
/// Errors   Config if the list is empty.
std::unique_ptr<Sampler> list_sampler(std::vector<uint64_t> indices);

/// Global position of slot k of rank r at micro-batch `step`.
constexpr uint64_t sample_position(uint64_t step, uint64_t rank, uint64_t world, uint64_t local_batch, uint64_t slot) {
  return (step * world + rank) * local_batch + slot;
}

}  // namespace eosin::data
