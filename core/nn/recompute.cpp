#include "core/nn/recompute.h"

#include "core/tensor/device.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

namespace eosin::nn {
namespace {

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

/// A node of the graph in the place of all that `part` would have recorded.
class Recompute : public Node {
 public:
  Recompute(const Tensor& x, variable_list trained, std::function<Tensor(const Tensor&)> part)
      : device_(x.device()),
        precision_(at::autocast::is_autocast_enabled(device_.type()) ? at::autocast::get_autocast_dtype(device_.type()) : at::kFloat),
        x_(x, false),
        trained_(std::move(trained)),
        part_(std::move(part)) {}

  variable_list apply(variable_list&& grads) override {
    const at::AutoGradMode with_grad(true);
    variable_list inputs = trained_;
    Tensor x = x_.unpack().detach();
    if (task_should_compute_output(0)) inputs.insert(inputs.begin(), x.requires_grad_());
    Tensor out;
    {
      const device::Autocast autocast(device_, precision_);
      out = part_(x);
    }
    variable_list of_inputs = torch::autograd::grad({out}, inputs, {grads[0]}, std::nullopt, false, true);
    if (!x.requires_grad()) of_inputs.insert(of_inputs.begin(), Tensor());
    return of_inputs;
  }

  void release_variables() override {
    x_.reset_data();
    part_ = nullptr;
  }

 private:
  c10::Device device_;
  at::ScalarType precision_;
  SavedVariable x_;
  variable_list trained_;
  std::function<Tensor(const Tensor&)> part_;
};

}  // namespace

Tensor recomputed(const Tensor& x, const std::vector<Tensor>& parameters, std::function<Tensor(const Tensor&)> part) {
  variable_list trained;
  for (const Tensor& p : parameters)
    if (p.requires_grad()) trained.push_back(p);
  if (!at::GradMode::is_enabled() || (trained.empty() && !x.requires_grad())) return part(x);

  Tensor out;
  {
    const at::NoGradGuard no_grad;
    out = part(x);
  }
  variable_list inputs = trained;
  inputs.insert(inputs.begin(), x);
  const std::shared_ptr<Node> node(new Recompute(x, std::move(trained), std::move(part)), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  torch::autograd::set_history(out, node);
  return out;
}

}  // namespace eosin::nn
