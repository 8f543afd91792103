#include "data/mat5.h"

#include "core/base/atomic_file.h"
#include "core/base/byte_reader.h"
#include "core/base/error.h"
#include "core/base/text.h"

#include <ATen/ATen.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace eosin::data {
namespace {

using Bytes = std::span<const uint8_t>;

/// Types of stored elements ("mi" in MATLAB's description of the format).
enum : uint32_t { kI8 = 1, kU8, kI16, kU16, kI32, kU32, kF32, kF64 = 9, kI64 = 12, kU64, kMatrix, kCompressed, kUtf8, kUtf16, kUtf32 };
/// Classes of arrays ("mx").
enum : uint32_t { kCell = 1, kStruct, kObject, kChar, kSparse, kFirstNumber, kLastNumber = 15, kFunction };
constexpr uint32_t kComplexFlag = 0x800;

// A short file can describe many entries with long names; deflate makes at most 1,032 bytes of one.
constexpr size_t kMaxLevels = 100, kMaxEntries = 250'000, kMaxNames = 64 << 20, kMaxRank = 32, kMaxDeflate = 1032;

struct Element {
  uint32_t type = 0;
  Bytes bytes;
};

/// Of every array: its class, flags, shape and name.
struct Header {
  uint32_t flags = 0;
  std::vector<int64_t> shape;
  uint64_t count = 1;  // of elements
  std::string name;
  uint32_t mx_class() const { return flags & 0xFF; }
};

template <class T>
void widen(Bytes bytes, double* out) {
  for (size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(value);
  }
}

struct NumberType {
  uint32_t type;
  size_t bytes;
  void (*widen)(Bytes, double*);
};
constexpr NumberType kNumberTypes[] = {
    {kI8, 1, widen<int8_t>},    {kU8, 1, widen<uint8_t>}, {kI16, 2, widen<int16_t>}, {kU16, 2, widen<uint16_t>}, {kI32, 4, widen<int32_t>},
    {kU32, 4, widen<uint32_t>}, {kF32, 4, widen<float>},  {kF64, 8, widen<double>},  {kI64, 8, widen<int64_t>},  {kU64, 8, widen<uint64_t>},
};

void append_utf8(std::string& out, uint32_t code) {
  const auto more = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6), more(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12), more(6), more(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18), more(12), more(6), more(0);
  }
}

class MatFile {
 public:
  MatFile(Bytes bytes, const std::string& where, uint64_t max_bytes) : bytes_(bytes), where_(where), may_inflate_(max_bytes) {}

  TensorMap read() {
    check_header();
    ByteReader in(bytes_.subspan(kHeaderBytes), where_);
    while (in.left() > 0) {
      const Element e = element(in);
      if (e.type == kCompressed)
        read_compressed(e.bytes);
      else
        read_variable(e);
    }
    if (!read_any_) bad("it holds no variable");
    return std::move(found_);
  }

 private:
  static constexpr size_t kHeaderBytes = 128;

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::Data, "[{}] bad MATLAB 5 file: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

  void check_header() const {
    if (bytes_.size() < kHeaderBytes) bad("{} bytes are too few", bytes_.size());
    const uint8_t* version = bytes_.data() + kHeaderBytes - 4;
    const std::string_view order(reinterpret_cast<const char*>(version + 2), 2);
    if (order == "MI") bad("it is big-endian, which is not read");
    if (order != "IM") bad("it does not say its byte order");
    if (version[0] == 0 && version[1] == 2) bad("it is of version 7.3 (HDF5); save it with -v7");
    if (version[0] != 0 || version[1] != 1) bad("version {}.{} is not read", version[1], version[0]);
  }

  /// Data begin at multiples of 8 bytes, but for up to 4 bytes that lie in the tag and for compressed data.
  Element element(ByteReader& in) const {
    const auto tag = in.number<uint32_t>();
    if (const uint32_t small = tag >> 16) {
      if (small > 4) bad("a short element of {} bytes", small);
      return {tag & 0xFFFF, in.take(4).first(small)};
    }
    const auto n = in.number<uint32_t>();
    const Element e{tag, in.take(n)};
    if (tag != kCompressed) in.take(std::min<size_t>(in.left(), (8 - n % 8) % 8));
    return e;
  }
  Element element(ByteReader& in, uint32_t type, const char* what) const {
    const Element e = element(in);
    if (e.type != type) bad("{} of type {} (need {})", what, e.type, type);
    return e;
  }

  /// Exactly one array; its size is known before memory is taken for it.
  void read_compressed(Bytes packed) {
    uint8_t tag[8] = {};
    uLongf size = sizeof tag;
    uLong used = packed.size();
    const int peeked = ::uncompress2(tag, &size, packed.data(), &used);
    if ((peeked != Z_OK && peeked != Z_BUF_ERROR) || size != sizeof tag) bad("corrupt or truncated compressed data");
    uint32_t n = 0;
    std::memcpy(&n, tag + 4, sizeof n);
    const uint64_t need = sizeof tag + uint64_t{n};
    if (need > may_inflate_) bad("it decompresses to more than the limit ({} bytes are wanted, {} are left)", need, may_inflate_);
    if (need > sizeof tag + kMaxDeflate * packed.size()) bad("corrupt or truncated compressed data");
    may_inflate_ -= need;
    std::vector<uint8_t> plain(need);
    size = need, used = packed.size();
    if (::uncompress2(plain.data(), &size, packed.data(), &used) != Z_OK || size != need || used != packed.size())
      bad("corrupt or truncated compressed data");
    ByteReader in(plain, where_);
    read_variable(element(in));
  }
  void read_variable(const Element& e) {
    if (e.type != kMatrix) bad("a variable of type {} (need {})", e.type, +kMatrix);
    ByteReader in(e.bytes, where_);
    const Header header = read_array_header(in);
    read_array(in, header, checked_name(header.name), 0);
    read_any_ = true;
  }
  std::string checked_name(const std::string& name) const {
    if (name.empty() || name.find('/') != std::string::npos || find_non_text(name) != std::string::npos)
      bad("a variable or field without a proper name");
    return name;
  }

  Header read_array_header(ByteReader& in) const {
    Header h;
    const Element flags = element(in, kU32, "array flags"), shape = element(in, kI32, "array sizes");
    if (flags.bytes.size() != 8) bad("array flags of {} bytes", flags.bytes.size());
    std::memcpy(&h.flags, flags.bytes.data(), sizeof h.flags);
    if (shape.bytes.size() % 4 != 0 || shape.bytes.size() < 8 || shape.bytes.size() > 4 * kMaxRank)
      bad("array sizes of {} bytes", shape.bytes.size());
    for (ByteReader sizes(shape.bytes, where_); sizes.left() > 0;) {
      h.shape.push_back(sizes.number<int32_t>());
      if (h.shape.back() < 0 || __builtin_mul_overflow(h.count, static_cast<uint64_t>(h.shape.back()), &h.count))
        bad("an array's shape [{}] is negative or overflows", fmt::join(h.shape, ", "));
    }
    const Bytes name = element(in, kI8, "array name").bytes;
    h.name.assign(name.begin(), name.end());
    return h;
  }

  void read_array(ByteReader& in, const Header& h, const std::string& path, size_t level) {
    if (level > kMaxLevels) bad("more than {} levels of nesting", kMaxLevels);
    if (h.mx_class() == kCell)
      read_cells(in, h, path, level);
    else if (h.mx_class() == kStruct || h.mx_class() == kObject)
      read_structs(in, h, path, level);
    else if (h.mx_class() == kChar)
      add_text(element(in), h, path);
    else if (h.mx_class() >= kFirstNumber && h.mx_class() <= kLastNumber && !(h.flags & kComplexFlag))
      add_numbers(element(in), h, path);
    else
      bad("'{}' is {}, which is not read", path,
          h.mx_class() == kSparse     ? "sparse"
          : h.mx_class() >= kFunction ? "a function or object handle"
                                      : "complex");
    if (in.left() > 0) bad("{} bytes are left in '{}'", in.left(), path);
  }
  /// A member of a cell or struct. No bytes at all stand for an empty array.
  void read_member(ByteReader& in, const std::string& path, size_t level) {
    ByteReader member(element(in, kMatrix, "a member").bytes, where_);
    if (member.left() == 0) return add(path, at::empty({0, 0}, at::kDouble));
    const Header h = read_array_header(member);
    read_array(member, h, path, level + 1);
  }
  void read_cells(ByteReader& in, const Header& h, const std::string& path, size_t level) {
    check_members(in, h.count, 1, path);
    for (uint64_t k = 0; k < h.count; ++k) read_member(in, fmt::format("{}/{}", path, k), level);
  }
  void read_structs(ByteReader& in, const Header& h, const std::string& path, size_t level) {
    if (h.mx_class() == kObject) element(in, kI8, "class name");
    const std::vector<std::string> fields = read_fields(in);
    check_members(in, h.count, fields.size(), path);
    if (fields.empty()) return;
    for (uint64_t k = 0; k < h.count; ++k)
      for (const auto& field : fields)
        read_member(in, h.count == 1 ? fmt::format("{}/{}", path, field) : fmt::format("{}/{}/{}", path, k, field), level);
  }
  std::vector<std::string> read_fields(ByteReader& in) const {
    const Bytes length = element(in, kI32, "length of field names").bytes;
    const Bytes names = element(in, kI8, "field names").bytes;
    const auto n = length.size() == 4 ? ByteReader(length, where_).number<int32_t>() : 0;
    if (n <= 0 || names.size() % static_cast<size_t>(n) != 0) bad("field names of {} bytes, {} each", names.size(), n);
    std::vector<std::string> fields;
    for (size_t at = 0; at < names.size(); at += static_cast<size_t>(n)) {
      const std::string_view padded(reinterpret_cast<const char*>(names.data()) + at, static_cast<size_t>(n));
      fields.push_back(checked_name(std::string(padded.substr(0, padded.find('\0')))));
    }
    return fields;
  }
  /// Each member takes 8 bytes at least.
  void check_members(const ByteReader& in, uint64_t count, uint64_t fields, const std::string& path) const {
    if (fields > 0 && count > in.left() / 8 / fields) bad("'{}' has {} members of {} fields in {} bytes", path, count, fields, in.left());
  }

  void add_numbers(const Element& e, const Header& h, const std::string& path) {
    const auto* type = std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes), [&](const NumberType& t) { return t.type == e.type; });
    if (type == std::end(kNumberTypes)) bad("'{}' holds elements of type {} (need numbers)", path, e.type);
    if (h.count != e.bytes.size() / type->bytes || e.bytes.size() % type->bytes != 0)
      bad("'{}' of shape [{}] has {} bytes of data", path, fmt::join(h.shape, ", "), e.bytes.size());
    Tensor column_major = at::empty(std::vector<int64_t>(h.shape.rbegin(), h.shape.rend()), at::kDouble);
    if (h.count > 0) type->widen(e.bytes, column_major.mutable_data_ptr<double>());
    std::vector<int64_t> reversed(h.shape.size());
    for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
    add(path, column_major.permute(reversed).contiguous());
  }

  void add_text(const Element& e, const Header& h, const std::string& path) {
    if (h.shape.size() != 2) bad("text '{}' has {} axes (need 2)", path, h.shape.size());
    const std::vector<uint32_t> codes = code_units(e, path);
    if (codes.size() != h.count) bad("text '{}' of shape [{}] has {} characters", path, fmt::join(h.shape, ", "), codes.size());
    if (codes.empty()) return;
    std::string text;
    const auto rows = static_cast<size_t>(h.shape[0]), cols = static_cast<size_t>(h.shape[1]);
    for (size_t row = 0; row < rows; ++row) {
      if (row > 0) text += '\n';
      for (size_t col = 0; col < cols; ++col) {
        uint32_t code = codes[col * rows + row];
        if (code >= 0xD800 && code < 0xDC00 && col + 1 < cols) code = joined(code, codes[++col * rows + row], path);
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) bad("text '{}' holds no character {:#x}", path, code);
        append_utf8(text, code);
      }
    }
    Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
    std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<uint8_t>());
    add(path, bytes);
  }
  /// A surrogate pair of UTF-16.
  uint32_t joined(uint32_t high, uint32_t low, const std::string& path) const {
    if (low < 0xDC00 || low >= 0xE000) bad("text '{}' is no UTF-16", path);
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }
  /// One number a character, as MATLAB counts them.
  std::vector<uint32_t> code_units(const Element& e, const std::string& path) const {
    if (e.type == kUtf8) return decode_utf8(e.bytes, path);
    const size_t width = e.type == kU8 || e.type == kI8 ? 1 : e.type == kU16 || e.type == kUtf16 ? 2 : e.type == kUtf32 ? 4 : 0;
    if (width == 0 || e.bytes.size() % width != 0) bad("text '{}' of {} bytes of type {}", path, e.bytes.size(), e.type);
    std::vector<uint32_t> codes(e.bytes.size() / width);
    for (size_t i = 0; i < codes.size(); ++i) std::memcpy(&codes[i], e.bytes.data() + i * width, width);
    return codes;
  }
  std::vector<uint32_t> decode_utf8(Bytes bytes, const std::string& path) const {
    std::vector<uint32_t> codes;
    for (size_t i = 0; i < bytes.size();) {
      const uint8_t first = bytes[i++];
      const int more = first < 0x80                    ? 0
                       : first >= 0xC2 && first < 0xE0 ? 1
                       : first >= 0xE0 && first < 0xF0 ? 2
                       : first >= 0xF0 && first < 0xF5 ? 3
                                                       : -1;
      if (more < 0 || bytes.size() - i < static_cast<size_t>(more)) bad("text '{}' is no UTF-8", path);
      uint32_t code = more == 0 ? first : first & (0x3F >> more);
      for (int k = 0; k < more; ++k, ++i) {
        if ((bytes[i] & 0xC0) != 0x80) bad("text '{}' is no UTF-8", path);
        code = code << 6 | (bytes[i] & 0x3F);
      }
      codes.push_back(code);
    }
    return codes;
  }

  void add(const std::string& path, Tensor t) {
    if (found_.size() >= kMaxEntries) bad("more than {} arrays", kMaxEntries);
    if ((names_ += path.size()) > kMaxNames) bad("more than {} bytes of names", kMaxNames);
    if (!found_.emplace(path, std::move(t)).second) bad("'{}' occurs twice", path);
  }

  Bytes bytes_;
  const std::string& where_;
  uint64_t may_inflate_;
  size_t names_ = 0;
  bool read_any_ = false;
  TensorMap found_;
};

}  // namespace

TensorMap parse_mat5(std::span<const uint8_t> bytes, const std::string& where, uint64_t max_bytes) { return MatFile(bytes, where, max_bytes).read(); }

TensorMap read_mat5(const std::string& path, uint64_t max_bytes) {
  const std::string bytes = read_file(path);
  return parse_mat5({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path, max_bytes);
}

}  // namespace eosin::data
