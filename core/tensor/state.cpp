#include "core/tensor/state.h"

#include "core/base/error.h"

namespace eosin {

void State::add(const std::string& prefix, const State& part) {
  EOSIN_ASSERT(!values.contains(prefix));
  values[prefix] = part.values;
  for (const auto& [name, tensor] : part.tensors) tensors.emplace(prefix + "/" + name, tensor);
}

State State::part(const std::string& prefix) const {
  EOSIN_CHECK(values.contains(prefix), Data, "[state] nothing is saved under '{}'; the checkpoint is of another kind of run", prefix);
  State part;
  part.values = values.at(prefix);
  const std::string begin = prefix + "/";
  for (auto it = tensors.lower_bound(begin); it != tensors.end() && it->first.starts_with(begin); ++it)
    part.tensors.emplace(it->first.substr(begin.size()), it->second);
  return part;
}

}  // namespace eosin
