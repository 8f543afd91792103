#include "core/tensor/safetensors.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/mapped_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

namespace eosin {
namespace {

using nlohmann::json;
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxRank = 64;

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DtypeName kDtypes[] = {
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E4M3FNUZ", at::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", at::kFloat8_e5m2fnuz},
    {"F8_E8M0", at::kFloat8_e8m0fnu},
    {"I16", at::kShort},
    {"U16", at::kUInt16},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I32", at::kInt},
    {"U32", at::kUInt32},
    {"F32", at::kFloat},
    {"C64", at::kComplexFloat},
    {"F64", at::kDouble},
    {"I64", at::kLong},
    {"U64", at::kUInt64},
};

struct Entry {
  std::string name;
  std::optional<at::ScalarType> type;
  std::optional<std::vector<int64_t>> shape;
  std::vector<uint64_t> offsets;
};

/// Reads the header without building a tree: duplicates stay visible, and nesting is bounded by the format itself.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { return bad("null is not allowed"); }
  bool boolean(bool) override { return bad("a boolean is not allowed"); }
  bool number_integer(number_integer_t) override { return bad("negative number"); }
  bool number_float(number_float_t, const string_t&) override { return bad("fractional or overflowing number"); }
  bool binary(binary_t&) override { return bad("binary value"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (list_ == &shape_marker_) {
      if (v > INT64_MAX) return bad("dimension overflows");
      if (entries.back().shape->size() >= kMaxRank) return bad("too many dimensions");
      entries.back().shape->push_back(static_cast<int64_t>(v));
    } else if (list_ == &offset_marker_) {
      if (entries.back().offsets.size() == 2) return bad("data_offsets must have two numbers");
      entries.back().offsets.push_back(v);
    } else {
      return bad("unexpected number");
    }
    return true;
  }
  bool string(string_t& v) override {
    if (depth_ == 2 && in_metadata_) {
      if (!metadata.emplace(key_, v).second) return bad("duplicate metadata key");
      return true;
    }
    if (depth_ != 2 || list_ || key_ != "dtype") return bad("unexpected string");
    for (const auto& d : kDtypes)
      if (v == d.name) {
        entries.back().type = d.type;
        return true;
      }
    return bad("unknown dtype '" + v.substr(0, 32) + "'");
  }
  bool start_object(size_t) override {
    if (list_) return bad("object in a list");
    if (depth_ == 1 && !in_metadata_) {
      entries.push_back({key_, {}, {}, {}});
      fields_.clear();
    }
    if (++depth_ > 2) return bad("nested object");
    return true;
  }
  bool end_object() override {
    if (depth_ == 2 && !in_metadata_) {
      const Entry& e = entries.back();
      if (!e.type || !e.shape || e.offsets.size() != 2) return bad("tensor needs dtype, shape and data_offsets");
    }
    if (depth_ == 2) in_metadata_ = false;
    --depth_;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || list_) return bad("unexpected list");
    if (key_ == "shape") {
      list_ = &shape_marker_;
      entries.back().shape.emplace();
    } else if (key_ == "data_offsets") {
      list_ = &offset_marker_;
    } else {
      return bad("unexpected list");
    }
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }
  bool key(string_t& k) override {
    key_ = k;
    if (depth_ == 1) {
      if (!names_.insert(k).second) return bad("duplicate name '" + k.substr(0, 64) + "'");
      in_metadata_ = k == "__metadata__";
    } else if (!in_metadata_) {
      if (k != "dtype" && k != "shape" && k != "data_offsets") return bad("unknown key '" + k.substr(0, 64) + "'");
      if (!fields_.insert(k).second) return bad("duplicate key '" + k + "'");
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    return bad(fmt::format("header is not JSON at byte {}: {}", position, e.what()));
  }

 private:
  bool bad(const std::string& what) { fail(ErrorKind::Data, "[{}] safetensors header: {} (key '{}')", where_, what, key_.substr(0, 64)); }
  const std::string& where_;
  std::string key_;
  std::set<std::string> names_, fields_;
  int depth_ = 0;
  bool in_metadata_ = false;
  char shape_marker_ = 0, offset_marker_ = 0;
  const char* list_ = nullptr;
};

uint64_t checked_bytes(const Entry& e, const std::string& where) {
  auto bytes = static_cast<int64_t>(c10::elementSize(*e.type)), strides = bytes;  // torch multiplies strides through sizes of zero too
  for (const int64_t d : *e.shape) {
    EOSIN_CHECK(!__builtin_mul_overflow(strides, std::max<int64_t>(d, 1), &strides), Data, "[{}] size of tensor '{}' overflows", where, e.name);
    bytes *= d;
  }
  return static_cast<uint64_t>(bytes);
}

void check_tiling(std::vector<Entry>& entries, uint64_t buffer_bytes, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  uint64_t at = 0;
  for (const Entry& e : entries) {
    EOSIN_CHECK(e.offsets[0] == at && e.offsets[1] >= at, Data,
                "[{}] tensor '{}' lies at [{}, {}), need it to begin at {}: tensors must tile the data without hole or overlap", where, e.name,
                e.offsets[0], e.offsets[1], at);
    EOSIN_CHECK(e.offsets[1] <= buffer_bytes, Data, "[{}] tensor '{}' ends at byte {} of {} bytes of data: the file is truncated or damaged", where,
                e.name, e.offsets[1], buffer_bytes);
    const uint64_t need = checked_bytes(e, where);
    EOSIN_CHECK(e.offsets[1] - e.offsets[0] == need, Data, "[{}] tensor '{}' has {} bytes, its shape and dtype need {}", where, e.name,
                e.offsets[1] - e.offsets[0], need);
    at = e.offsets[1];
  }
  EOSIN_CHECK(at == buffer_bytes, Data, "[{}] {} bytes after the last tensor", where, buffer_bytes - at);
}

/// `owner` keeps the bytes alive (null: they are copied).
SafetensorsFile parse(const uint8_t* data, size_t size, const std::string& where, const std::shared_ptr<void>& owner) {
  EOSIN_CHECK(size >= 8, Data, "[{}] safetensors file is {} bytes, shorter than its header's length", where, size);
  uint64_t n = 0;
  std::memcpy(&n, data, 8);
  EOSIN_CHECK(n <= kMaxHeader && n <= size - 8, Data, "[{}] safetensors header claims {} bytes (file has {}, limit {})", where, n, size - 8,
              kMaxHeader);
  const char* header = reinterpret_cast<const char*>(data + 8);
  EOSIN_CHECK(n > 0 && header[0] == '{', Data, "[{}] safetensors header does not begin with '{{'", where);
  HeaderReader reader(where);
  json::sax_parse(header, header + n, &reader);
  const uint8_t* buffer = data + 8 + n;
  check_tiling(reader.entries, size - 8 - n, where);

  SafetensorsFile file;
  file.metadata = std::move(reader.metadata);
  for (const Entry& e : reader.entries) {
    auto* p = const_cast<uint8_t*>(buffer + e.offsets[0]);
    const auto options = at::TensorOptions().dtype(*e.type);
    const bool aligned = reinterpret_cast<uintptr_t>(p) % c10::elementSize(*e.type) == 0;
    Tensor t;
    if (owner && aligned && e.offsets[1] > e.offsets[0]) {
      t = at::from_blob(
          p, *e.shape, [owner](void*) {}, options);
    } else {
      t = at::empty(*e.shape, options);
      if (e.offsets[1] > e.offsets[0]) std::memcpy(t.data_ptr(), p, e.offsets[1] - e.offsets[0]);
    }
    file.tensors.emplace(e.name, std::move(t));
  }
  return file;
}

const char* dtype_name(at::ScalarType type) {
  for (const auto& d : kDtypes)
    if (d.type == type) return d.name;
  fail(ErrorKind::Shape, "[safetensors] element type {} cannot be written", c10::toString(type));
}

}  // namespace

SafetensorsFile parse_safetensors(std::span<const uint8_t> bytes, const std::string& where) {
  return parse(bytes.data(), bytes.size(), where, nullptr);
}

SafetensorsFile read_safetensors(const std::string& path) {
  const MappedFile file = map_file(path);
  return parse(file.bytes.data(), file.bytes.size(), path, file.owner);
}

void write_safetensors(const ByteSink& sink, const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, Tensor>> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second.element_size() > b.second.element_size(); });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const auto& [name, t] : order) {
    const uint64_t end = at + t.nbytes();
    header[name] = {{"dtype", dtype_name(t.scalar_type())}, {"shape", t.sizes().vec()}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t n = text.size();
  sink({reinterpret_cast<const char*>(&n), sizeof n});
  sink(text);
  for (const auto& [name, t] : order) {
    const Tensor dense = t.detach().cpu().contiguous();  // one at a time: no second copy of a whole model
    if (dense.nbytes() > 0) sink({static_cast<const char*>(dense.data_ptr()), dense.nbytes()});
  }
}

std::string serialize_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  std::string out;
  write_safetensors([&out](std::string_view bytes) { out += bytes; }, tensors, metadata);
  return out;
}

void write_safetensors(const std::string& path, const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  AtomicFile file(path);
  write_safetensors([&file](std::string_view bytes) { file.write(bytes); }, tensors, metadata);
  file.commit();
}

}  // namespace eosin
