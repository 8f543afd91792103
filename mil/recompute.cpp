#include "mil/recompute.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace eosin::mil {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Work {
  TensorFunction f;
  size_t n_inputs;
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList tensors, const Work& work) {
    ctx->save_for_backward(tensors.vec());
    ctx->saved_data["work"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(work));
    const at::AutoGradMode no_grad(false);
    return work.f({tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(work.n_inputs)});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto holder = ctx->saved_data["work"].toCapsule();
    const Work& work = static_cast<const Holder&>(*holder).work;
    const at::AutoGradMode grad_mode(true);
    variable_list inputs, wanted;
    std::vector<size_t> places;
    for (size_t i = 0; i < saved.size(); ++i) {
      const bool is_input = i < work.n_inputs;
      const Tensor leaf = is_input ? saved[i].detach().requires_grad_(saved[i].requires_grad()) : saved[i];
      if (is_input) inputs.push_back(leaf);
      if (saved[i].requires_grad()) wanted.push_back(leaf), places.push_back(i);
    }
    variable_list outputs, given;
    const variable_list again = work.f(inputs);
    for (size_t i = 0; i < again.size(); ++i)
      if (grads[i].defined() && again[i].requires_grad()) outputs.push_back(again[i]), given.push_back(grads[i]);
    variable_list result(saved.size() + 1);  // the last is for `work`
    if (outputs.empty()) return result;
    const variable_list found = torch::autograd::grad(outputs, wanted, given, std::nullopt, false, /*allow_unused=*/true);
    for (size_t i = 0; i < found.size(); ++i) result[places[i]] = found[i];
    return result;
  }

 private:
  struct Holder : torch::CustomClassHolder {
    explicit Holder(const Work& w) : work(w) {}
    Work work;
  };
};

}  // namespace

std::vector<Tensor> recompute(const TensorFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), parameters.begin(), parameters.end());
  return Recomputed::apply(at::TensorList(all), Work{f, inputs.size()});
}

}  // namespace eosin::mil
