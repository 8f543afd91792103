#include "data/idx.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "data/array_bytes.h"

#include <ATen/ATen.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace eosin::data {
namespace {

struct Inflater {
  z_stream stream{};
  Inflater() { EOSIN_ASSERT(inflateInit2(&stream, 15 + 16) == Z_OK); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

/// All members of a gzip file, each with its checksum and length compared by zlib.
std::vector<uint8_t> gunzip(std::span<const uint8_t> bytes, uint64_t max_bytes, const std::string& where) {
  Inflater inflater;
  z_stream& z = inflater.stream;
  std::vector<uint8_t> out;
  size_t used = 0, consumed = 0;
  while (true) {
    const size_t in = std::min<size_t>(bytes.size() - consumed, 1u << 30);
    if (used == out.size()) out.resize(std::min<uint64_t>(max_bytes + 1, std::max<uint64_t>(2 * used, 1u << 16)));
    z.next_in = const_cast<uint8_t*>(bytes.data()) + consumed;
    z.avail_in = static_cast<uInt>(in);
    z.next_out = out.data() + used;
    z.avail_out = static_cast<uInt>(std::min<size_t>(out.size() - used, 1u << 30));
    const int code = inflate(&z, Z_NO_FLUSH);
    consumed = static_cast<size_t>(z.next_in - bytes.data());
    used = static_cast<size_t>(z.next_out - out.data());
    EOSIN_CHECK(used <= max_bytes, Data, "[{}] decompresses to more than {} bytes", where, max_bytes);
    if (code == Z_STREAM_END) {
      if (consumed == bytes.size()) break;
      inflateReset(&z);
      continue;
    }
    EOSIN_CHECK(code == Z_OK || code == Z_BUF_ERROR, Data, "[{}] corrupt gzip data: {}", where, z.msg ? z.msg : "unknown reason");
    EOSIN_CHECK(consumed < bytes.size() || z.avail_out == 0, Data, "[{}] truncated gzip data", where);
  }
  out.resize(used);
  return out;
}

at::ScalarType type_of(uint8_t code, const std::string& where) {
  switch (code) {
    case 0x08:
      return at::kByte;
    case 0x09:
      return at::kChar;
    case 0x0B:
      return at::kShort;
    case 0x0C:
      return at::kInt;
    case 0x0D:
      return at::kFloat;
    case 0x0E:
      return at::kDouble;
    default:
      fail(ErrorKind::Data, "[{}] unknown IDX element type {:#04x}", where, code);
  }
}

}  // namespace

Tensor parse_idx(std::span<const uint8_t> bytes, const std::string& where, uint64_t max_bytes) {
  std::vector<uint8_t> unzipped;
  if (bytes.size() >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B) bytes = unzipped = gunzip(bytes, max_bytes, where);
  EOSIN_CHECK(bytes.size() >= 4 && bytes[0] == 0 && bytes[1] == 0, Data, "[{}] is not an IDX file (need two zero bytes, a type and a rank)", where);
  const at::ScalarType type = type_of(bytes[2], where);
  const size_t rank = bytes[3], header = 4 + 4 * rank;
  EOSIN_CHECK(bytes.size() >= header, Data, "[{}] truncated inside the IDX header", where);
  std::vector<int64_t> shape(rank);
  for (size_t i = 0; i < rank; ++i)
    for (size_t b = 0; b < 4; ++b) shape[i] = shape[i] << 8 | bytes[4 + 4 * i + b];
  return tensor_from_bytes(bytes.subspan(header), type, shape, true, where);
}

Tensor read_idx(const std::string& path, uint64_t max_bytes) {
  const std::string bytes = read_file(path);
  return parse_idx({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path, max_bytes);
}

}  // namespace eosin::data
