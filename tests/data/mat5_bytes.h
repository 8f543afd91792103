#pragma once
// Bytes of small MATLAB 5 files, made by hand.
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data::mat5 {

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Padded to 8 bytes, but for compressed data (15).
inline std::string element(uint32_t type, std::string bytes) {
  std::string out = raw<uint32_t>({type, static_cast<uint32_t>(bytes.size())}) + bytes;
  while (type != 15 && out.size() % 8 != 0) out += '\0';
  return out;
}
/// Up to four bytes lie in the tag.
inline std::string small(uint32_t type, std::string bytes) {
  const std::string tag = raw<uint32_t>({type | static_cast<uint32_t>(bytes.size()) << 16});
  bytes.resize(4);
  return tag + bytes;
}
inline std::string array(uint32_t flags, const std::vector<int32_t>& shape, const std::string& name, const std::string& rest) {
  return element(14, element(6, raw<uint32_t>({flags, 0})) + element(5, raw(shape)) + element(1, name) + rest);
}
inline std::string numbers(const std::vector<int32_t>& shape, const std::vector<double>& values, const std::string& name = "") {
  return array(6, shape, name, element(9, raw(values)));
}
inline std::string text(const std::vector<int32_t>& shape, const std::string& utf8, const std::string& name = "") {
  return array(4, shape, name, element(16, utf8));
}
inline std::string cell(const std::vector<int32_t>& shape, const std::string& members, const std::string& name = "") {
  return array(1, shape, name, members);
}
/// Field names of up to 7 letters; members by element, then field.
inline std::string structs(const std::vector<int32_t>& shape, const std::vector<std::string>& fields, const std::string& members,
                           const std::string& name = "") {
  std::string names;
  for (std::string f : fields) f.resize(8), names += f;
  return array(2, shape, name, small(5, raw<int32_t>({8})) + element(1, names) + members);
}
inline std::string object(const std::vector<std::string>& fields, const std::string& members, const std::string& name) {
  std::string names;
  for (std::string f : fields) f.resize(8), names += f;
  return array(3, {1, 1}, name, element(1, "dataset") + small(5, raw<int32_t>({8})) + element(1, names) + members);
}
inline std::string compressed(const std::string& variable) {
  std::string packed(variable.size() + 100, '\0');
  uLongf n = packed.size();
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &n, reinterpret_cast<const Bytef*>(variable.data()), variable.size());
  return element(15, packed.substr(0, n));
}
inline std::string file(const std::string& variables, const std::string& version = {"\x00\x01IM", 4}) {
  std::string header = "MATLAB 5.0 MAT-file";
  header.resize(124, ' ');
  return header + version + variables;
}

/// A MIL set of PRTools: bags a, a, b of two features; only the last instance is positive.
inline std::string mil_set(const std::string& milbag = text({3, 2}, "aab  x"), const std::vector<double>& nlab = {1, 1, 2}) {
  const std::string ident = structs({1, 1}, {"milbag"}, milbag);
  return file(compressed(object({"data", "nlab", "ident"}, numbers({3, 2}, {1, 2, 3, 4, 5, 6}) + numbers({3, 1}, nlab) + ident, "x")));
}

}  // namespace eosin::data::mat5
