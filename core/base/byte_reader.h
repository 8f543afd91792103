#pragma once
// Reads through bytes of a file that is not trusted: little-endian numbers and runs of bytes, every step checked.
#include "core/base/error.h"

#include <cstdint>
#include <cstring>
#include <span>

#include <string_view>
#include <type_traits>

namespace eosin {

/// Errors   Data "[where] truncated ..." when fewer bytes are left than asked for.
/// Checked  through the readers that use it: truncation at every byte (tests/tensor/test_torch_archive.cpp, tests/data/test_mat5.cpp).
class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::span<const uint8_t> take(uint64_t n) {
    EOSIN_CHECK(n <= left(), Data, "[{}] truncated: {} bytes needed at byte {}, there are {}", where_, n, position_, left());
    const auto part = bytes_.subspan(position_, n);
    position_ += n;
    return part;
  }
  std::string_view text(uint64_t n) {
    const auto part = take(n);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  template <class T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  std::string_view where_;  // names the file in messages; outlives the reader
  size_t position_ = 0;
};

}  // namespace eosin
