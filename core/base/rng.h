#pragma once
// Counter-based random numbers: a draw is a pure function of (seed, position, view, op, draw), so that any sample can be
// made again, and nothing depends on the number of threads, ranks or restarts (data.md 7.2). The same code runs on a GPU.
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace eosin {

using Words = std::array<uint32_t, 4>;

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
/// Checked  golden data.philox.
inline Words philox4x32(Words c, std::array<uint32_t, 2> k) noexcept {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1), static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1],
         static_cast<uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

/// [0, 1) with 24 bits.
inline float uniform(uint32_t w) noexcept { return static_cast<float>(w >> 8) * 0x1p-24f; }
/// [0, 1) with 53 bits, from two words.
inline double uniform_double(uint32_t high, uint32_t low) noexcept { return static_cast<double>(((uint64_t{high} << 32) | low) >> 11) * 0x1p-53; }
/// Two standard normal draws from two words (Box-Muller).
inline std::array<float, 2> normal(uint32_t w0, uint32_t w1) noexcept {
  const float u1 = (static_cast<float>(w0 >> 8) + 1.0f) * 0x1p-24f;
  const float u2 = static_cast<float>(w1 >> 8) * 0x1p-24f;
  const float radius = std::sqrt(-2.0f * std::log(u1));
  const float angle = 2.0f * std::numbers::pi_v<float> * u2;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}
/// Integer in [0, n).
inline uint32_t below(uint32_t w, uint32_t n) noexcept { return static_cast<uint32_t>((uint64_t{w} * n) >> 32); }

/// The table of op numbers. A new op takes a new number, so that it never shifts another's draws.
enum class RandomOp : uint32_t {
  kBox = 0,
  kFlip = 1,
  kStain = 2,
  kJitter = 3,
  kGray = 4,
  kBlur = 5,
  kSolarize = 6,
  kMask = 7,
  kDropPath = 8,
  kInit = 9,
  kBootstrap = 10,
  kSynthetic = 11,
  kSplit = 12,
  kSubset = 13,
  kReplace = 14,
  kPlace = 15,
  kRope = 16,
  kPatchSize = 17,
  kMix = 18,
};

/// The draws of one (seed, position, view, op): word(i) is the i-th 32-bit word of the stream.
class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t position, uint32_t view, RandomOp op) noexcept
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        counter_{static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), view * 65536u + static_cast<uint32_t>(op), 0} {}

  uint32_t word() noexcept {
    if (used_ == 4) {
      words_ = philox4x32(counter_, key_);
      ++counter_[3];
      used_ = 0;
    }
    return words_[used_++];
  }
  float uniform() noexcept { return eosin::uniform(word()); }
  float uniform(float low, float high) noexcept { return low + (high - low) * uniform(); }
  double uniform_double() noexcept {
    const uint32_t high = word();
    return eosin::uniform_double(high, word());
  }
  uint32_t below(uint32_t n) noexcept { return eosin::below(word(), n); }
  float normal() noexcept {
    const uint32_t w0 = word();
    return eosin::normal(w0, word())[0];
  }

 private:
  std::array<uint32_t, 2> key_;
  Words counter_;
  Words words_{};
  unsigned used_ = 4;
};

}  // namespace eosin
