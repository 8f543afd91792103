#include "core/nn/recompute.h"

#include "core/base/error.h"
#include "core/tensor/device.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <algorithm>

namespace eosin::nn {
namespace {

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

/// A node of the graph in the place of all that `part` would have recorded.
class Recompute : public Node {
 public:
  Recompute(const variable_list& inputs, variable_list trained, TensorFunction part)
      : device_(inputs.front().device()),
        precision_(at::autocast::is_autocast_enabled(device_.type()) ? at::autocast::get_autocast_dtype(device_.type()) : at::kFloat),
        trained_(std::move(trained)),
        part_(std::move(part)) {
    for (const Tensor& x : inputs) inputs_.emplace_back(x, false);
  }

  variable_list apply(variable_list&& grads) override {
    const at::AutoGradMode with_grad(true);
    variable_list inputs, wanted;
    std::vector<size_t> places;  // of `wanted` among what this node answers for: inputs, then parameters
    for (size_t i = 0; i < inputs_.size(); ++i) {
      inputs.push_back(inputs_[i].unpack().detach());
      if (task_should_compute_output(i)) wanted.push_back(inputs.back().requires_grad_()), places.push_back(i);
    }
    for (size_t i = 0; i < trained_.size(); ++i) wanted.push_back(trained_[i]), places.push_back(inputs_.size() + i);
    variable_list outputs, given;
    {
      const device::Autocast autocast(device_, precision_);
      const variable_list all = part_(inputs);
      for (size_t i = 0; i < all.size(); ++i)
        if (grads[i].defined() && all[i].requires_grad()) outputs.push_back(all[i]), given.push_back(grads[i]);
    }
    variable_list result(inputs_.size() + trained_.size());
    if (outputs.empty() || wanted.empty()) return result;
    const variable_list found = torch::autograd::grad(outputs, wanted, given, std::nullopt, false, /*allow_unused=*/true);
    for (size_t i = 0; i < found.size(); ++i) result[places[i]] = found[i];
    return result;
  }

  void release_variables() override {
    for (SavedVariable& x : inputs_) x.reset_data();
    part_ = nullptr;
  }

 private:
  c10::Device device_;
  at::ScalarType precision_;
  std::vector<SavedVariable> inputs_;
  variable_list trained_;
  TensorFunction part_;
};

}  // namespace

std::vector<Tensor> recomputed(const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters, TensorFunction part) {
  EOSIN_ASSERT(!inputs.empty());
  variable_list trained;
  for (const Tensor& p : parameters)
    if (p.requires_grad()) trained.push_back(p);
  const bool is_trained = !trained.empty() || std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); });
  if (!at::GradMode::is_enabled() || !is_trained) return part(inputs);

  variable_list out;
  {
    const at::NoGradGuard no_grad;
    out = part(inputs);
  }
  variable_list edges = inputs;
  edges.insert(edges.end(), trained.begin(), trained.end());
  const std::shared_ptr<Node> node(new Recompute(inputs, std::move(trained), std::move(part)), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(edges));
  torch::autograd::set_history(out, node);
  return out;
}

Tensor recomputed(const Tensor& x, const std::vector<Tensor>& parameters, std::function<Tensor(const Tensor&)> part) {
  return recomputed(std::vector<Tensor>{x}, parameters,
                    [part = std::move(part)](const std::vector<Tensor>& in) { return std::vector<Tensor>{part(in[0])}; })[0];
}

}  // namespace eosin::nn
