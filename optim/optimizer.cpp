#include "optim/optimizer.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <set>

namespace eosin::optim {

std::vector<MovingAverage> follow(const std::vector<Tensor>& averages, const std::vector<Tensor>& parameters) {
  EOSIN_ASSERT(averages.size() == parameters.size());
  std::vector<MovingAverage> pairs;
  for (size_t i = 0; i < averages.size(); ++i) pairs.push_back({averages[i], parameters[i]});
  return pairs;
}

Optimizer::Optimizer(std::string rule, std::vector<ParamGroup> groups) : rule_(std::move(rule)), groups_(std::move(groups)) {
  std::set<std::string> seen;
  for (const auto& group : groups_) {
    EOSIN_ASSERT(group.names.size() == group.params.size());
    for (size_t i = 0; i < group.names.size(); ++i) {
      EOSIN_ASSERT(seen.insert(group.names[i]).second);
      const auto type = group.params[i].scalar_type();
      EOSIN_CHECK(type == at::kFloat || type == at::kDouble, Config, "[optim] parameter '{}' is {}; master weights are float32 or float64",
                  group.names[i], c10::toString(type));
    }
  }
}

void Optimizer::add_averages(std::vector<MovingAverage> averages) {
  for (MovingAverage& a : averages) {
    const c10::TensorImpl* parameter = a.parameter.unsafeGetTensorImpl();
    EOSIN_ASSERT(averages_.emplace(parameter, std::move(a)).second);
  }
}

void Optimizer::zero_grad() {
  for (auto& group : groups_)
    for (auto& param : group.params) param.mutable_grad() = Tensor();
}

Optimizer::Memory& Optimizer::memory(const std::string& name, const Tensor& param, const std::vector<std::string>& slots) {
  Memory& m = memories_[name];
  for (const auto& slot : slots)
    if (Tensor& t = m.slots[slot]; !t.defined()) t = at::zeros_like(param, at::MemoryFormat::Contiguous).detach();
  return m;
}

State Optimizer::state() const {
  State state;
  state.values["rule"] = rule_;
  auto& steps = state.values["steps"] = nlohmann::json::object();
  for (const auto& [name, memory] : memories_) {
    steps[name] = memory.steps;
    for (const auto& [slot, tensor] : memory.slots) state.tensors.emplace(name + "/" + slot, tensor);
  }
  return state;
}

void Optimizer::load_state(const State& state) {
  const std::string rule = state.values.value("rule", "?");
  EOSIN_CHECK(rule == rule_, Config, "[optim] the saved state is of optimizer '{}', this run has '{}'; start a new run folder", rule, rule_);
  std::map<std::string, Tensor> params;
  for (const auto& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i) params.emplace(group.names[i], group.params[i]);

  std::map<std::string, Memory> loaded;
  for (const auto& [name, steps] : state.values.at("steps").items()) {
    EOSIN_CHECK(params.count(name), Data, "[optim] the saved state has parameter '{}', this model has not", name);
    loaded[name].steps = steps.get<int64_t>();
  }
  for (const auto& [key, tensor] : state.tensors) {
    const size_t slash = key.rfind('/');
    const std::string name = key.substr(0, slash);
    const auto memory = loaded.find(name);
    EOSIN_CHECK(slash != std::string::npos && memory != loaded.end(), Data, "[optim] the saved state's tensor '{}' belongs to no parameter", key);
    const Tensor& param = params.at(name);
    EOSIN_CHECK(tensor.sizes() == param.sizes(), Shape, "[optim] saved state '{}' is [{}], the parameter [{}]", key, fmt::join(tensor.sizes(), ", "),
                fmt::join(param.sizes(), ", "));
    Tensor own = at::empty_like(param, at::MemoryFormat::Contiguous).detach();
    memory->second.slots[key.substr(slash + 1)] = own.copy_(tensor);
  }
  memories_ = std::move(loaded);
}

}  // namespace eosin::optim
