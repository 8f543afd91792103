#pragma once
// Bytes of small torch archives, made by hand: what torch.save writes, and what nobody should.
#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace eosin {

template <class T>
std::string little_endian(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Pieces of a pickle of protocol 2.
namespace pickled {

inline std::string text(const std::string& s) { return "X" + little_endian(static_cast<uint32_t>(s.size())) + s; }
inline std::string integer(int32_t n) { return "J" + little_endian(n); }
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string tuple_of(const std::vector<int32_t>& numbers) {
  std::string items;
  for (const int32_t n : numbers) items += integer(n);
  return tuple(items);
}
inline std::string dict(const std::string& keys_and_values) { return "}(" + keys_and_values + "u"; }
inline std::string storage(const std::string& key, const std::string& type, int32_t numel) {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cuda:0") + integer(numel)) + "Q";
}
struct TensorFields {
  std::string key = "0", type = "FloatStorage";
  int32_t numel = 0, offset = 0;
  std::vector<int32_t> sizes, strides;
};
inline std::string tensor(const TensorFields& t) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage(t.key, t.type, t.numel) + integer(t.offset) + tuple_of(t.sizes) + tuple_of(t.strides) + "\x89" +
               global("collections", "OrderedDict") + ")R") +
         "R";
}
inline std::string whole(const std::string& object) { return "\x80\x02" + object + "."; }

}  // namespace pickled

struct ZipEntry {
  std::string name, bytes;
};

/// As torch writes it: records begin at multiples of 64, and the directory is a zip64 one.
inline std::string stored_zip(const std::vector<ZipEntry>& entries) {
  std::string out, directory;
  const auto u16 = [](size_t n) { return little_endian(static_cast<uint16_t>(n)); };
  const auto u32 = [](size_t n) { return little_endian(static_cast<uint32_t>(n)); };
  const auto u64 = [](size_t n) { return little_endian(static_cast<uint64_t>(n)); };
  for (const auto& [name, bytes] : entries) {
    const std::string crc = u32(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    const std::string common = u16(0) + u16(0) + u32(0) + crc + u32(bytes.size()) + u32(bytes.size()) + u16(name.size());
    const size_t at = out.size(), padding = 64 - (at + 30 + name.size() + 4) % 64;
    directory += "PK\1\2" + u16(0) + u16(0) + common + u16(0) + u16(0) + u16(0) + u16(0) + u32(0) + u32(at) + name;
    out += "PK\3\4" + u16(0) + common + u16(padding + 4) + name + "FB" + u16(padding) + std::string(padding, 'Z') + bytes;
  }
  const size_t at = out.size(), end = at + directory.size(), n = entries.size();
  out += directory + "PK\6\6" + u64(44) + u16(0) + u16(0) + u32(0) + u32(0) + u64(n) + u64(n) + u64(directory.size()) + u64(at);
  out += "PK\6\7" + u32(0) + u64(end) + u32(1);
  return out + "PK\5\6" + u16(0) + u16(0) + u16(n) + u16(n) + u32(directory.size()) + u32(at) + u16(0);
}

/// An archive of one object and its records, by key.
inline std::string torch_archive(const std::string& object, const std::vector<ZipEntry>& records, const std::string& byte_order = "little") {
  std::vector<ZipEntry> entries = {{"archive/data.pkl", pickled::whole(object)}, {"archive/byteorder", byte_order}};
  for (const auto& [key, bytes] : records) entries.push_back({"archive/data/" + key, bytes});
  entries.push_back({"archive/version", "3\n"});
  return stored_zip(entries);
}

inline std::string floats(const std::vector<float>& values) { return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}; }

/// {"model": {"w": [[1, 2, 3], [4, 5, 6]], "t": its transpose}, "epoch": 7}
inline std::string small_torch_archive() {
  using namespace pickled;
  const std::string model =
      dict(text("w") + tensor({"0", "FloatStorage", 6, 0, {2, 3}, {3, 1}}) + text("t") + tensor({"0", "FloatStorage", 6, 0, {3, 2}, {1, 3}}));
  return torch_archive(dict(text("model") + model + text("epoch") + integer(7)), {{"0", floats({1, 2, 3, 4, 5, 6})}});
}

}  // namespace eosin
