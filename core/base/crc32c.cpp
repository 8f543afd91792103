#include "core/base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace eosin {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;
using Table = std::array<uint32_t, 256>;

/// tables[k][b]: the register after byte b and k zero bytes.
constexpr std::array<Table, 8> make_tables() {
  std::array<Table, 8> tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k)
    for (uint32_t b = 0; b < 256; ++b) tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xFF];
  return tables;
}
constexpr std::array<Table, 8> kTables = make_tables();

uint64_t load(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

/// The register after `n` bytes, without the xors at begin and end.
uint32_t run_tables(uint32_t crc, const uint8_t* p, size_t n) {
  for (; n >= 8; p += 8, n -= 8) {
    const uint64_t word = load(p) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> (8 * k) & 0xFF];
  }
  for (; n > 0; ++p, --n) crc = crc >> 8 ^ kTables[0][(crc ^ *p) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
// The instruction takes three cycles but one can start every cycle: three lanes of kLane bytes run side by side, and a lane's
// register is moved over the bytes of the next ones by a table (the register is linear in its bits).
constexpr size_t kLane = 1024;

class ZeroBytes {
 public:
  explicit ZeroBytes(size_t count) {
    for (size_t k = 0; k < 4; ++k)
      for (uint32_t bit = 0; bit < 8; ++bit) {
        uint32_t crc = uint32_t{1} << (8 * k + bit);
        for (size_t i = 0; i < count; ++i) crc = crc >> 8 ^ kTables[0][crc & 0xFF];
        for (uint32_t b = 0; b < 256; ++b)
          if (b >> bit & 1) tables_[k][b] ^= crc;
      }
  }
  uint32_t operator()(uint32_t crc) const noexcept {
    return tables_[0][crc & 0xFF] ^ tables_[1][crc >> 8 & 0xFF] ^ tables_[2][crc >> 16 & 0xFF] ^ tables_[3][crc >> 24];
  }

 private:
  std::array<Table, 4> tables_{};
};

__attribute__((target("sse4.2"))) uint32_t run_instruction(uint32_t crc, const uint8_t* p, size_t n) {
  static const ZeroBytes over_lane(kLane);
  uint64_t a = crc;
  for (; n >= 3 * kLane; p += 3 * kLane, n -= 3 * kLane) {
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, load(p + i));
      b = _mm_crc32_u64(b, load(p + kLane + i));
      c = _mm_crc32_u64(c, load(p + 2 * kLane + i));
    }
    a = over_lane(over_lane(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b)) ^ c;
  }
  for (; n >= 8; p += 8, n -= 8) a = _mm_crc32_u64(a, load(p));
  auto last = static_cast<uint32_t>(a);
  for (; n > 0; ++p, --n) last = _mm_crc32_u8(last, *p);
  return last;
}

const auto kRun = __builtin_cpu_supports("sse4.2") ? run_instruction : run_tables;
#else
constexpr auto kRun = run_tables;
#endif

}  // namespace

uint32_t crc32c(std::span<const uint8_t> bytes, uint32_t seed) noexcept { return ~kRun(~seed, bytes.data(), bytes.size()); }
uint32_t crc32c_portable(std::span<const uint8_t> bytes, uint32_t seed) noexcept { return ~run_tables(~seed, bytes.data(), bytes.size()); }

}  // namespace eosin
