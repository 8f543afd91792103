#include "data/array_bytes.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

namespace eosin::data {

Tensor tensor_from_bytes(std::span<const uint8_t> bytes, at::ScalarType type, const std::vector<int64_t>& shape, bool big_endian,
                         const std::string& where) {
  const size_t item = c10::elementSize(type);
  auto total = static_cast<int64_t>(item), strides = total;  // torch multiplies strides through sizes of zero too
  for (const int64_t d : shape) {
    EOSIN_CHECK(!__builtin_mul_overflow(strides, std::max<int64_t>(d, 1), &strides), Data, "[{}] the shape [{}] overflows", where,
                fmt::join(shape, ", "));
    total *= d;
  }
  const auto need = static_cast<uint64_t>(total);
  EOSIN_CHECK(need == bytes.size(), Data, "[{}] {}: the shape [{}] needs {} bytes of data, there are {}", where,
              need > bytes.size() ? "truncated" : "bytes behind the data", fmt::join(shape, ", "), need, bytes.size());
  Tensor t = at::empty(shape, type);
  if (need == 0) return t;
  auto* out = static_cast<uint8_t*>(t.mutable_data_ptr());
  std::memcpy(out, bytes.data(), bytes.size());
  if (big_endian)
    for (uint8_t* p = out; p != out + need; p += item) std::reverse(p, p + item);
  if (type == at::kBool)
    for (uint8_t* p = out; p != out + need; ++p) *p = *p != 0;
  return t;
}

}  // namespace eosin::data
