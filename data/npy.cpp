#include "data/npy.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "data/array_bytes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

namespace eosin::data {
namespace {

constexpr size_t kMaxRank = 64;

struct NpyType {
  std::string_view name;
  at::ScalarType type;
};
constexpr NpyType kTypes[] = {
    {"b1", at::kBool},  {"u1", at::kByte}, {"u2", at::kUInt16}, {"u4", at::kUInt32}, {"u8", at::kUInt64}, {"i1", at::kChar},
    {"i2", at::kShort}, {"i4", at::kInt},  {"i8", at::kLong},   {"f2", at::kHalf},   {"f4", at::kFloat},  {"f8", at::kDouble},
};

/// The header: a Python dictionary of a text, a truth value and a tuple, read by hand.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;

  void read() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr)
        descr = quoted();
      else if (key == "fortran_order" && !fortran_order)
        fortran_order = truth();
      else if (key == "shape" && !shape)
        shape = tuple();
      else
        bad(fmt::format("unknown or double key '{}'", key));
      if (!accept(',') && !at('}')) bad("',' or '}' expected");
    }
    skip_blanks();
    if (!text_.empty()) bad("something behind the dictionary");
    if (!descr || !fortran_order || !shape) bad("need the keys descr, fortran_order and shape");
  }

 private:
  [[noreturn]] void bad(const std::string& what) const { fail(ErrorKind::Data, "[{}] bad .npy header: {}", where_, what); }
  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size())); }
  bool at(char c) {
    skip_blanks();
    return !text_.empty() && text_.front() == c;
  }
  bool accept(char c) {
    if (!at(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(fmt::format("'{}' expected", c));
  }
  std::string quoted() {
    const char quote = at('"') ? '"' : '\'';
    if (!accept(quote)) bad("a simple text expected (object and structured types are not supported)");
    const size_t end = text_.find(quote);
    if (end == std::string_view::npos) bad("open quote");
    std::string s(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return s;
  }
  bool truth() {
    skip_blanks();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(0, word.size()) != word) continue;
      text_.remove_prefix(word.size());
      return value;
    }
    bad("True or False expected");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip_blanks();
      int64_t size = 0;
      const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (code != std::errc() || size < 0) bad("a size that is not a number in range");
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      sizes.push_back(size);
      if (sizes.size() > kMaxRank) bad("too many dimensions");
      if (!accept(',') && (!at(')') || sizes.size() == 1)) bad("',' or ')' expected");
    }
    return sizes;
  }

  std::string_view text_;
  const std::string& where_;
};

at::ScalarType type_of(const std::string& descr, const std::string& where) {
  const bool has_order = !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
  const std::string_view name = std::string_view(descr).substr(has_order ? 1 : 0);
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const NpyType& t) { return t.name == name; });
  EOSIN_CHECK(has_order && row != std::end(kTypes), Data, "[{}] element type '{}' is not supported (need b1, u1-u8, i1-i8, f2, f4, f8)", where,
              descr);
  return row->type;
}

}  // namespace

Tensor parse_npy(std::span<const uint8_t> bytes, const std::string& where) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EOSIN_CHECK(text.substr(0, kMagic.size()) == kMagic && text.size() >= 10, Data, "[{}] is not an .npy file (no magic)", where);
  const int major = bytes[6], minor = bytes[7];
  EOSIN_CHECK(major >= 1 && major <= 3 && minor == 0, Data, "[{}] .npy version {}.{} is not supported (need 1.0, 2.0 or 3.0)", where, major, minor);
  const size_t length_bytes = major == 1 ? 2 : 4, header_at = 8 + length_bytes;
  EOSIN_CHECK(bytes.size() >= header_at, Data, "[{}] truncated inside the .npy header", where);
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) length |= size_t{bytes[8 + i]} << (8 * i);
  EOSIN_CHECK(length <= bytes.size() - header_at, Data, "[{}] truncated inside the .npy header", where);

  HeaderReader header(text.substr(header_at, length), where);
  header.read();
  std::vector<int64_t> shape = *header.shape;
  if (*header.fortran_order) std::reverse(shape.begin(), shape.end());
  const Tensor t = tensor_from_bytes(bytes.subspan(header_at + length), type_of(*header.descr, where), shape, (*header.descr)[0] == '>', where);
  if (!*header.fortran_order) return t;
  std::vector<int64_t> reversed(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) reversed[i] = static_cast<int64_t>(shape.size() - 1 - i);
  return t.permute(reversed).contiguous();
}

Tensor read_npy(const std::string& path) {
  const std::string bytes = read_file(path);
  return parse_npy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path);
}

}  // namespace eosin::data
