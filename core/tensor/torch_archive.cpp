#include "core/tensor/torch_archive.h"

#include "core/base/mapped_file.h"
#include "core/base/text.h"
#include "core/tensor/torch_content.h"
#include "core/tensor/torch_objects.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace eosin {
namespace {

using pickle::Graph;
using pickle::Kind;
using pickle::Ref;
using pickle::Value;
using torch_file::Content;
using torch_file::Role;
using torch_file::Storage;
using torch_file::TensorSpec;
using Bytes = std::span<const uint8_t>;

constexpr size_t kMaxLevels = 1000;
// A short file can describe a large result: one tensor at many paths, or one number spread over many elements.
constexpr size_t kMaxVisits = 4'000'000, kMaxPath = 4096, kMaxNames = 64 << 20, kNameOverhead = 128, kMinCopies = 128 << 20, kCopiesOfFile = 4;

/// Walks the saved object and makes its tensors.
class Tensors {
 public:
  Tensors(Content content, const MappedFile& file, const std::string& where)
      : content_(std::move(content)),
        graph_(content_.graph),
        file_(file),
        objects_(graph_, where),
        may_copy_(std::max(kMinCopies, kCopiesOfFile * file.bytes.size())) {}

  TensorMap all() {
    check_values();
    walk(graph_.root, 0);
    return std::move(found_);
  }

 private:
  /// Also what no path leads to must be in order.
  void check_values() {
    for (Ref ref = 0; ref < graph_.values.size(); ++ref) {
      const Value& value = graph_[ref];
      if (value.kind == Kind::kPersistent) record(objects_.storage(ref));
      if (value.kind != Kind::kCall) continue;
      const torch_file::Global& global = objects_.callee(value);
      if (global.role == Role::kStorage) objects_.bad("{} is called", global.name);
      if (global.role == Role::kTensor) objects_.tensor(value);
    }
  }
  Bytes record(const Storage& s) const {
    const auto it = content_.records.find(s.key);
    if (it == content_.records.end()) objects_.bad("there is no record of storage '{}'", s.key.substr(0, 64));
    const size_t item = c10::elementSize(s.type);
    if (s.numel > it->second.size() / item)
      objects_.bad("storage '{}' has {} bytes, {} elements of {} are needed", s.key, it->second.size(), s.numel, item);
    return it->second.first(s.numel * item);
  }

  void walk(Ref ref, size_t level) {
    if (level > kMaxLevels) objects_.bad("more than {} levels of nesting", kMaxLevels);
    const Value& value = graph_[ref];
    if (value.kind == Kind::kList || value.kind == Kind::kTuple) {
      for (size_t i = 0; i < value.items.size(); ++i) child(value.items[i], level, [i] { return std::to_string(i); });
    } else if (value.kind == Kind::kDict) {
      walk_mapping(value.items, level);
    } else if (value.kind == Kind::kCall) {
      walk_call(ref, level);
    }
  }
  void walk_call(Ref ref, size_t level) {
    const Value& call = graph_[ref];
    const std::vector<Ref>& args = objects_.arguments(call);
    switch (objects_.callee(call).role) {
      case Role::kTensor:
        return add(ref);
      case Role::kParameter:
        if (args.empty()) objects_.bad("a parameter without a tensor");
        return walk(args[0], level + 1);
      case Role::kMapping: {
        if (args.size() > 1) objects_.bad("a mapping of {} arguments", args.size());
        std::vector<Ref> items;
        if (!args.empty()) items = pairs_of(graph_[args[0]]);
        items.insert(items.end(), call.items.begin() + 2, call.items.end());
        return walk_mapping(items, level);
      }
      default:
        return;
    }
  }
  /// The argument of OrderedDict: another mapping, or a list of pairs.
  std::vector<Ref> pairs_of(const Value& argument) {
    if (argument.kind == Kind::kDict) return argument.items;
    std::vector<Ref> items;
    for (const Ref ref : argument.items) {
      const Value& pair = graph_[ref];
      if ((pair.kind != Kind::kTuple && pair.kind != Kind::kList) || pair.items.size() != 2)
        objects_.bad("a mapping is made of something else than pairs");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    visit(items.size());
    return items;
  }
  /// Of a key that occurs twice the last value counts, as in Python.
  void walk_mapping(const std::vector<Ref>& items, size_t level) {
    if (items.size() % 2 != 0) objects_.bad("a mapping's key has no value");
    std::map<std::pair<Kind, std::string>, Ref> last;
    for (size_t i = 0; i < items.size(); i += 2) {
      visit(1);
      const Value& key = graph_[items[i]];
      if (const auto text = text_of(key))
        last[{key.kind, *text}] = items[i + 1];
      else
        walk_unnamed(items[i + 1], level);
    }
    for (const auto& [key, value] : last) child(value, level, [&name = key.second] { return name; });
  }
  /// Keys of other kinds make no path: below them there may be no tensor.
  void walk_unnamed(Ref ref, size_t level) {
    ++unnamed_;
    walk(ref, level + 1);
    --unnamed_;
  }
  static std::optional<std::string> text_of(const Value& key) {
    if (key.kind == Kind::kText) return std::string(key.text);
    if (key.kind == Kind::kInteger) return std::to_string(key.integer);
    return std::nullopt;
  }
  template <class Component>
  void child(Ref ref, size_t level, Component component) {
    visit(1);
    const Kind kind = graph_[ref].kind;
    if (kind != Kind::kList && kind != Kind::kTuple && kind != Kind::kDict && kind != Kind::kCall) return;
    const size_t before = path_.size();
    if (components_++ > 0) path_ += '/';
    path_ += component();
    if (path_.size() > kMaxPath) objects_.bad("a path is longer than {} bytes", kMaxPath);
    walk(ref, level + 1);
    path_.resize(before);
    --components_;
  }
  void visit(size_t n) {
    if ((visits_ += n) > kMaxVisits) objects_.bad("more than {} positions", kMaxVisits);
  }

  void add(Ref ref) {
    if (unnamed_ > 0) objects_.bad("a tensor below a key that is neither text nor an integer, at '{}'", path_);
    if (find_non_text(path_) != std::string::npos) objects_.bad("a tensor's name is no text");
    if ((names_ += path_.size() + kNameOverhead) > kMaxNames) objects_.bad("more than {} bytes of names", kMaxNames);
    auto made = made_.find(ref);
    if (made == made_.end()) made = made_.emplace(ref, make(objects_.tensor(graph_[ref]))).first;
    if (!found_.emplace(path_, made->second).second) objects_.bad("two tensors have the path '{}'", path_);
  }
  Tensor make(const TensorSpec& spec) {
    Tensor flat = elements(spec.storage);
    if (std::count(spec.sizes.begin(), spec.sizes.end(), 0) > 0) return at::empty(spec.sizes, flat.options());
    const Tensor view = flat.as_strided(spec.sizes, spec.strides, spec.offset);
    if (view.is_contiguous()) return view;
    will_copy(view.nbytes());
    return view.contiguous();
  }
  Tensor elements(const Storage& s) {
    Tensor& flat = flat_[{std::string(s.key), s.type, s.numel}];
    if (!flat.defined()) flat = make_elements(record(s), s);
    return flat;
  }
  Tensor make_elements(Bytes bytes, const Storage& s) {
    const auto n = static_cast<int64_t>(s.numel);
    const size_t item = c10::elementSize(s.type);
    const bool swapped = content_.big_endian && item > 1;
    auto* data = const_cast<uint8_t*>(bytes.data());  // of a private mapping
    const bool aligned = reinterpret_cast<uintptr_t>(data) % item == 0;
    if (!bytes.empty() && aligned && !swapped && s.type != at::kBool)
      return at::from_blob(
          data, {n}, [owner = file_.owner](void*) {}, at::TensorOptions().dtype(s.type));
    will_copy(bytes.size());
    Tensor copy = at::empty({n}, s.type);
    if (bytes.empty()) return copy;
    auto* out = static_cast<uint8_t*>(copy.mutable_data_ptr());
    std::memcpy(out, bytes.data(), bytes.size());
    if (s.type == at::kBool) std::transform(out, out + n, out, [](uint8_t b) { return b != 0; });
    const size_t number = at::isComplexType(s.type) ? item / 2 : item;
    if (swapped)
      for (uint8_t* p = out; p != out + bytes.size(); p += number) std::reverse(p, p + number);
    return copy;
  }
  void will_copy(size_t bytes) {
    if (bytes > may_copy_) objects_.bad("its tensors take more memory than {} times the file", kCopiesOfFile);
    may_copy_ -= bytes;
  }

  const Content content_;
  const Graph& graph_;
  const MappedFile& file_;
  const torch_file::Objects objects_;
  TensorMap found_;
  std::map<Ref, Tensor> made_;
  std::map<std::tuple<std::string, at::ScalarType, uint64_t>, Tensor> flat_;  // a file may describe one storage in several ways
  std::string path_;
  size_t components_ = 0, unnamed_ = 0, visits_ = 0, names_ = 0, may_copy_;
};

}  // namespace

TensorMap read_torch_archive(const std::string& path, bool check_crc) {
  const MappedFile file = map_file(path);
  return Tensors(torch_file::read_content(file.bytes, path, check_crc), file, path).all();
}

TensorMap parse_torch_archive(std::span<const uint8_t> bytes, const std::string& where, bool check_crc) {
  const auto copy = std::make_shared<std::vector<uint8_t>>(bytes.begin(), bytes.end());
  const MappedFile file{copy, *copy};
  return Tensors(torch_file::read_content(file.bytes, where, check_crc), file, where).all();
}

}  // namespace eosin
