#pragma once
// What the adapters of area mil share: weights in, gradients out.
#include "core/nn/weights.h"
#include "mil/bags.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

#include <map>

namespace eosin::golden {

/// Widths, from the weights that hold them.
inline int64_t rows_of(const Case& c, const std::string& param) { return c.at("param." + param).size(0); }
inline int64_t columns_of(const Case& c, const std::string& param) { return c.at("param." + param).size(1); }

/// One case on one module. `names` gives the source's names of our layers, where they differ.
struct MilCase {
  using Names = std::map<std::string, std::string>;

  explicit MilCase(const Case& golden) : c(golden) {
    if (!c.has("in.x")) return;
    x = c.at("in.x").clone().requires_grad_();
    bags.features_ND = x;
    bags.offsets = {0, x.size(0)};
    if (c.has("in.offsets")) {
      const Tensor offsets = c.at("in.offsets");
      bags.offsets.assign(offsets.const_data_ptr<int64_t>(), offsets.const_data_ptr<int64_t>() + offsets.numel());
    }
    if (c.has("in.label") && c.at("in.label").scalar_type() == at::kLong) bags.labels_B = c.at("in.label");
  }
  enum class Absent { kRefused, kKept };  // weights of ours that the case does not have, and that cannot matter to it
  MilCase(const Case& golden, torch::nn::Module& net, Names source_names = {}, Absent absent = Absent::kRefused) : MilCase(golden) {
    module = &net, names = std::move(source_names);
    TensorMap weights;
    for (const auto& [ours, initial] : nn::named_weights(net)) {
      const std::string name = "param." + theirs(ours);
      weights[ours] = absent == Absent::kKept && !c.has(name) ? initial : c.at(name);
    }
    nn::load_weights(net, weights);
  }

  /// Our name with the source's layer in front.
  std::string theirs(const std::string& ours) const {
    const size_t dot = ours.rfind('.');
    const auto it = dot == std::string::npos ? names.end() : names.find(ours.substr(0, dot));
    return it == names.end() ? ours : it->second + ours.substr(dot);
  }

  Results finish(const Tensor& loss) {
    out["loss"] = loss;
    return differentiate(loss);
  }
  Results finish_with_cotangent(const Tensor& y) {
    out["y"] = y;
    return differentiate((y * c.at("in.cotangent")).sum());
  }
  Results differentiate(const Tensor& scalar) {
    scalar.backward();
    Results results;
    for (const auto& [name, t] : out) results["out." + name] = t;
    for (const auto& [name, t] : leaves) results["grad." + name] = t.grad();
    if (x.defined() && x.requires_grad()) results["grad.x"] = x.grad();
    if (module)
      for (const auto& p : module->named_parameters())
        if (p.value().grad().defined()) results["grad." + theirs(p.key())] = p.value().grad();
    return results;
  }

  /// An input besides x whose gradient the case holds.
  Tensor leaf(const std::string& name) { return leaves.emplace(name, c.at("in." + name).clone().requires_grad_()).first->second; }

  const Case& c;
  torch::nn::Module* module = nullptr;
  Names names;
  Tensor x;
  mil::BagBatch bags;
  TensorMap out, leaves;
};

}  // namespace eosin::golden
