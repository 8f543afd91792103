#include "train/finite_trace.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace eosin::train {

/// Callbacks of ATen are plain functions: the trace of this thread is found here.
struct TraceAccess {
  static thread_local FiniteTrace* trace;
  static void begin(const std::string& operation, const std::vector<Tensor>& inputs) { trace->begin(operation, inputs); }
  static void end(const std::string& operation, const std::vector<Tensor>& inputs, bool inputs_sound, const std::vector<Tensor>& outputs) {
    trace->end(operation, inputs, inputs_sound, outputs);
  }
};
thread_local FiniteTrace* TraceAccess::trace = nullptr;

namespace {

constexpr const char* kInput = "(input)";  // what comes before the first module

bool is_number(const Tensor& t) { return t.defined() && t.numel() > 0 && t.is_floating_point() && t.has_storage(); }
bool all_finite(const Tensor& t) { return t.isfinite().all().item<bool>(); }
/// Minus infinity is what masks add to logits.
bool is_sound(const Tensor& t) { return !t.isnan().logical_or(t.isposinf()).any().item<bool>(); }
Tensor finite_part(const Tensor& t) { return at::nan_to_num(t.to(at::kDouble), 0.0, 0.0, 0.0); }

void collect(const c10::IValue& value, std::vector<Tensor>& out) {
  if (value.isTensor() && is_number(value.toTensor())) out.push_back(value.toTensor());
  if (value.isTensorList())
    for (const Tensor& t : value.toTensorVector())
      if (is_number(t)) out.push_back(t);
}

/// Inputs are known at the beginning of an operation only, outputs at its end.
struct Operation final : at::ObserverContext {
  std::vector<Tensor> inputs;
  bool inputs_sound = true;  // before an operation in place writes to them
};

std::unique_ptr<at::ObserverContext> on_begin(const at::RecordFunction& fn) {
  auto operation = std::make_unique<Operation>();
  if (!TraceAccess::trace) return operation;
  size_t skipped = std::string_view(fn.name()) == "aten::copy_" ? 1 : 0;  // written, never read: memory that may hold anything
  for (const auto& value : fn.inputs())
    if (skipped == 0)
      collect(value, operation->inputs);
    else
      --skipped;
  const at::DisableRecordFunctionGuard quiet;
  const at::NoGradGuard no_grad;
  operation->inputs_sound = std::all_of(operation->inputs.begin(), operation->inputs.end(), is_sound);
  TraceAccess::begin(fn.name(), operation->inputs);
  return operation;
}

void on_end(const at::RecordFunction& fn, at::ObserverContext* context) {
  if (!TraceAccess::trace || !context) return;
  std::vector<Tensor> outputs;
  for (const auto& value : fn.outputs()) collect(value, outputs);
  const at::DisableRecordFunctionGuard quiet;
  const at::NoGradGuard no_grad;
  const auto& operation = *static_cast<Operation*>(context);
  TraceAccess::end(fn.name(), operation.inputs, operation.inputs_sound, outputs);
}

/// Reserves or fills memory: what is in it says nothing.
bool makes_no_value(const std::string& operation) {
  static constexpr std::array kWords = {"empty", "full", "fill", "zero", "resize", "new_", "where"};
  return std::any_of(kWords.begin(), kWords.end(), [&](const char* word) { return operation.find(word) != std::string::npos; });
}

/// Gives what it gets: a constant (a comparison with infinity, say) counts where something is computed of it.
bool hands_on(const std::string& operation) {
  static constexpr std::array kCopies = {"aten::copy_", "aten::_to_copy", "aten::to", "aten::clone", "aten::contiguous"};
  return std::find(kCopies.begin(), kCopies.end(), operation) != kCopies.end();
}

/// Shows an input's memory without writing to it.
bool is_view(const std::string& operation, const std::vector<Tensor>& inputs, const Tensor& output) {
  if (operation.ends_with("_")) return false;
  return std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& t) { return t.is_alias_of(output); });
}

std::string module_of(const std::string& weight) {
  const std::string name = weight.substr(weight.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(0, dot);
}

}  // namespace

FiniteTrace::FiniteTrace(const TensorMap& weights) {
  for (const auto& [name, tensor] : weights) {
    if (!is_number(tensor)) continue;
    const auto* first = static_cast<const char*>(tensor.const_data_ptr());
    weights_.emplace(first, Weights{first + tensor.nbytes(), module_of(name), tensor});
  }
}

ModuleValues& FiniteTrace::row(const std::string& module) {
  const auto [at, is_new] = place_.emplace(module, modules_.size());
  if (is_new) {
    modules_.emplace_back();
    modules_.back().module = module;
  }
  return modules_[at->second];
}

/// The weights whose memory `t` lies in: themselves, or a view of them.
const FiniteTrace::Weights* FiniteTrace::weights_at(const Tensor& t) const {
  const auto* first = static_cast<const char*>(t.const_data_ptr());
  auto next = weights_.upper_bound(first);
  if (next == weights_.begin()) return nullptr;
  const Weights& found = std::prev(next)->second;
  return first < found.end ? &found : nullptr;
}

void FiniteTrace::begin(const std::string& operation, const std::vector<Tensor>& inputs) {
  const Weights* used = nullptr;
  for (const Tensor& t : inputs)
    if (const Weights* w = weights_at(t); w && !used) used = w;
  if (!used || makes_no_value(operation)) return;
  current_ = used->module;
  ModuleValues& values = row(current_);
  for (const Tensor& t : inputs) (weights_at(t) ? values.weights_finite : values.input_finite) &= all_finite(t);
}

void FiniteTrace::end(const std::string& operation, const std::vector<Tensor>& inputs, bool inputs_sound, const std::vector<Tensor>& outputs) {
  if (inputs.empty() || makes_no_value(operation)) return;
  for (const Tensor& output : outputs) {
    if (is_view(operation, inputs, output) || (hands_on(operation) && !inputs_sound)) continue;
    const bool sound = is_sound(output);
    if (sound && current_ == kInput) continue;  // no module yet: worth a row only if it went wrong
    ModuleValues& values = row(current_);
    values.largest_output = std::max(values.largest_output, finite_part(output).abs().max().item<double>());
    if (sound) continue;
    if (values.output_finite || (inputs_sound && !values.operation_made_it)) values.operation = operation, values.operation_made_it = inputs_sound;
    values.output_finite = false;
  }
}

void FiniteTrace::watch(const std::function<void()>& pass) {
  current_ = kInput;
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(on_begin, on_end).needsInputs(true).needsOutputs(true).scopes({at::RecordScope::FUNCTION}));
  struct Guard {
    at::CallbackHandle handle;
    FiniteTrace* outer;
    ~Guard() {
      TraceAccess::trace = outer;
      at::removeCallback(handle);
    }
  } const guard{handle, std::exchange(TraceAccess::trace, this)};
  pass();
}

void FiniteTrace::add_gradients(const std::vector<optim::ParamGroup>& groups) {
  const at::NoGradGuard no_grad;
  for (const auto& group : groups)
    for (size_t i = 0; i < group.names.size(); ++i) {
      const Tensor& grad = group.params[i].grad();
      if (!grad.defined()) continue;
      ModuleValues& values = row(module_of(group.names[i]));
      values.gradient_finite &= all_finite(grad);
      values.gradient_norm = std::hypot(values.gradient_norm, finite_part(grad).norm().item<double>());
    }
}

std::string FiniteTrace::fault() const {
  for (const ModuleValues& m : modules_) {
    if (!m.weights_finite) return fmt::format("the weights of {} are not finite", m.module);
    if (!m.input_finite) return fmt::format("the input of {} is not finite", m.module);
    if (!m.output_finite) return fmt::format("the output of {} in or after {} is not finite (its input is)", m.operation, m.module);
  }
  const auto last = std::find_if(modules_.rbegin(), modules_.rend(), [](const ModuleValues& m) { return !m.gradient_finite; });
  return last == modules_.rend() ? "" : fmt::format("the pass is finite, the gradient of {} is not", last->module);
}

}  // namespace eosin::train
