#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace eosin {

/// CRC-32C (Castagnoli; reflected polynomial 0x82F63B78, initial and final xor 0xFFFFFFFF), by the processor's instruction
/// where it has one. Incremental: crc32c(b, crc32c(a)) is the checksum of a followed by b.
///
/// Checked  golden data.crc32c; tests/base/test_crc32c.cpp: both paths agree at every length and alignment.
uint32_t crc32c(std::span<const uint8_t> bytes, uint32_t seed = 0) noexcept;
inline uint32_t crc32c(std::string_view bytes, uint32_t seed = 0) noexcept {
  return crc32c(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), seed);
}

/// The same by tables alone: what a processor without the instruction runs, and what the fast path is tested against.
uint32_t crc32c_portable(std::span<const uint8_t> bytes, uint32_t seed = 0) noexcept;

}  // namespace eosin
