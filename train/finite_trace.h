#pragma once
// Where a pass stops being finite: what every module makes of its input, seen at the operations that use its weights.
#include "core/tensor/tensor.h"
#include "optim/param_groups.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace eosin::train {

/// Of one module, over all operations from the first use of its weights to that of the next module's.
struct ModuleValues {
  std::string module;          // "student.backbone.blocks.0.attn.qkv"
  bool weights_finite = true;  // and buffers
  bool input_finite = true;    // of the operations that use them
  bool output_finite = true;   // of all
  std::string operation;       // the first that makes what is not finite of what is, else the first that hands it on: "aten::addmm"
  bool operation_made_it = false;
  double largest_output = 0.0;  // absolute, of the finite ones
  bool gradient_finite = true;
  double gradient_norm = 0.0;  // of the finite elements

  bool finite() const { return weights_finite && input_finite && output_finite && gradient_finite; }
};

/// Watches passes operation by operation. Slow: for steps that have gone wrong. Operations that only fill, view or reserve memory are passed over,
/// and minus infinity counts in weights, inputs and gradients but not in outputs: masks are made of it.
///
/// Checked  tests/train/test_finite_trace.cpp.
class FiniteTrace {
 public:
  /// `weights` by dotted names, perhaps behind a path ("objective/student.head.weight"); a module is a name without its last part.
  explicit FiniteTrace(const TensorMap& weights);

  /// Runs `pass` and adds what this thread's operations make of it.
  void watch(const std::function<void()>& pass);
  void add_gradients(const std::vector<optim::ParamGroup>& groups);

  /// In the order of first use.
  const std::vector<ModuleValues>& modules() const { return modules_; }
  /// One line on the first value that is not finite: in the pass, else the gradient nearest to the loss; empty if all are finite.
  std::string fault() const;

 private:
  struct Weights {
    const char* end;
    std::string module;
    Tensor tensor;
  };
  friend struct TraceAccess;
  ModuleValues& row(const std::string& module);
  const Weights* weights_at(const Tensor& t) const;
  void begin(const std::string& operation, const std::vector<Tensor>& inputs);
  void end(const std::string& operation, const std::vector<Tensor>& inputs, bool inputs_sound, const std::vector<Tensor>& outputs);

  std::map<const char*, Weights> weights_;  // by their first byte
  std::vector<ModuleValues> modules_;
  std::map<std::string, size_t> place_;
  std::string current_;  // the module whose weights were used last
};

}  // namespace eosin::train
