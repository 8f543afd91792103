#include "core/tensor/flop_counter.h"

#include "core/base/error.h"
#include "core/tensor/tensor.h"

#include <ATen/core/ivalue.h>

#include <atomic>
#include <functional>
#include <map>
#include <numeric>
#include <string>

namespace eosin {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;

std::atomic<double> total{0};
std::atomic<bool> counting{false};

const Tensor& tensor(Inputs inputs, size_t i) { return inputs[i].toTensor(); }
double elements(const Tensor& t) { return static_cast<double>(t.numel()); }

/// [.., m, k] x [.., k, n].
double product(const Tensor& a, const Tensor& b) { return 2 * elements(a) * static_cast<double>(b.size(-1)); }

/// Every element of the smaller side's output meets a filter: those of the output, of a transposed convolution those of the input.
double convolution(const Tensor& many, const Tensor& weight) { return 2 * elements(many) * elements(weight) / static_cast<double>(weight.size(0)); }

double convolution_forward(Inputs in) {
  const Tensor &input = tensor(in, 0), &weight = tensor(in, 1);
  if (in[6].toBool()) return convolution(input, weight);
  const auto stride = in[3].toIntVector(), padding = in[4].toIntVector(), dilation = in[5].toIntVector();
  double places = static_cast<double>(input.size(0));
  for (int64_t d = 2; d < input.dim(); ++d) {
    const auto i = static_cast<size_t>(d - 2);
    const auto at = [i](const std::vector<int64_t>& v) { return v[std::min(i, v.size() - 1)]; };
    places *= static_cast<double>((input.size(d) + 2 * at(padding) - at(dilation) * (weight.size(d) - 1) - 1) / at(stride) + 1);
  }
  return 2 * places * elements(weight);
}

/// The same again for each gradient that is asked for, of input and of weight.
double convolution_backward(Inputs in) {
  const auto wanted = in[10].toBoolList();
  const double each = convolution(in[7].toBool() ? tensor(in, 1) : tensor(in, 0), tensor(in, 2));
  return each * ((wanted[0] ? 1 : 0) + (wanted[1] ? 1 : 0));
}

/// Scores and their product with the values; q at `first`, then k and v.
double attention(Inputs in, size_t first) {
  const Tensor &q = tensor(in, first), &k = tensor(in, first + 1), &v = tensor(in, first + 2);
  return 2 * elements(q) * static_cast<double>(k.size(-2)) +
         2 * elements(q) / static_cast<double>(q.size(-1)) * static_cast<double>(k.size(-2)) * static_cast<double>(v.size(-1));
}

double attention_forward(Inputs in) { return attention(in, 0); }
double attention_backward(Inputs in) { return 2 * attention(in, 1); }

const std::map<std::string, std::function<double(Inputs)>>& operators() {
  static const std::map<std::string, std::function<double(Inputs)>> table = {
      {"aten::mm", [](Inputs in) { return product(tensor(in, 0), tensor(in, 1)); }},
      {"aten::bmm", [](Inputs in) { return product(tensor(in, 0), tensor(in, 1)); }},
      {"aten::addmm", [](Inputs in) { return product(tensor(in, 1), tensor(in, 2)); }},
      {"aten::_addmm_activation", [](Inputs in) { return product(tensor(in, 1), tensor(in, 2)); }},
      {"aten::baddbmm", [](Inputs in) { return product(tensor(in, 1), tensor(in, 2)); }},
      {"aten::convolution", convolution_forward},
      {"aten::convolution_backward", convolution_backward},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", attention_forward},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", attention_backward},
      {"aten::_scaled_dot_product_flash_attention", attention_forward},
      {"aten::_scaled_dot_product_flash_attention_backward", attention_backward},
      {"aten::_scaled_dot_product_efficient_attention", attention_forward},
      {"aten::_scaled_dot_product_efficient_attention_backward", attention_backward},
      {"aten::_scaled_dot_product_cudnn_attention", attention_forward},
      {"aten::_scaled_dot_product_cudnn_attention_backward", attention_backward},
  };
  return table;
}

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& call) {
  const auto found = operators().find(call.name());
  if (found != operators().end()) total += found->second(call.inputs());
  return nullptr;
}

}  // namespace

FlopCounter::FlopCounter() {
  EOSIN_ASSERT(!counting.exchange(true));
  total = 0;
  handle_ = at::addGlobalCallback(at::RecordFunctionCallback(count).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

FlopCounter::~FlopCounter() {
  at::removeCallback(handle_);
  counting = false;
}

double FlopCounter::flops() const { return total; }

}  // namespace eosin
