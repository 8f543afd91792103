#pragma once
// Inside of torch_*.cpp only: what the calls in a pickle of torch.save mean.
#include "core/base/error.h"
#include "core/tensor/pickle.h"

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::torch_file {

/// What a global stands for when it is called or named.
enum class Role { kMapping, kTensor, kParameter, kSequence, kStorage, kOpaque };
struct Global {
  std::string_view name;
  Role role = Role::kOpaque;
  at::ScalarType type = at::ScalarType::Undefined;  // of a storage's elements
};
/// Names of all globals that may occur; a kGlobal's integer is a position in this list.
std::span<const std::string_view> global_names();

/// A storage as its persistent id describes it.
struct Storage {
  at::ScalarType type = at::kByte;
  std::string_view key;
  uint64_t numel = 0;
};

struct TensorSpec {
  Storage storage;
  int64_t offset = 0;
  std::vector<int64_t> sizes, strides;
};

/// Reads meaning into the graph's calls; every position is checked before it is used.
class Objects {
 public:
  Objects(const pickle::Graph& graph, const std::string& where) : graph_(graph), where_(where) {}

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::Data, "[{}] bad torch archive: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

  const Global& callee(const pickle::Value& call) const;
  const std::vector<pickle::Ref>& arguments(const pickle::Value& call) const { return graph_[call.items[1]].items; }
  /// A persistent id: ("storage", type, key, location, number of elements[, no view]).
  Storage storage(pickle::Ref ref) const;
  /// _rebuild_tensor(storage, offset, size, stride), and _v2 with requires_grad, hooks and metadata after them. It lies inside its storage.
  TensorSpec tensor(const pickle::Value& call) const;

 private:
  int64_t count(pickle::Ref ref, const char* what) const;
  std::vector<int64_t> counts(pickle::Ref ref, const char* what) const;
  void check(const TensorSpec& t) const;

  const pickle::Graph& graph_;
  const std::string& where_;
};

}  // namespace eosin::torch_file
