#include "core/nn/attention_maps.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cmath>
#include <string_view>
#include <utility>

namespace eosin::nn {
namespace {

/// Callbacks of ATen are plain functions: what they leave is found here.
thread_local std::pair<Tensor, Tensor>* seen = nullptr;

std::unique_ptr<at::ObserverContext> on_begin(const at::RecordFunction& fn) {
  if (seen && std::string_view(fn.name()) == "aten::scaled_dot_product_attention") *seen = {fn.inputs()[0].toTensor(), fn.inputs()[1].toTensor()};
  return nullptr;
}

}  // namespace

Tensor last_attention_of_first_token(const std::function<void()>& pass) {
  std::pair<Tensor, Tensor> last;
  {
    struct Watch {
      std::pair<Tensor, Tensor>* outer;
      at::CallbackHandle handle =
          at::addThreadLocalCallback(at::RecordFunctionCallback(on_begin).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
      ~Watch() {
        at::removeCallback(handle);
        seen = outer;
      }
    } const watch{std::exchange(seen, &last)};
    pass();
  }
  const auto& [q_BHNd, k_BHNd] = last;
  if (!q_BHNd.defined()) return {};
  const Tensor query = q_BHNd.slice(2, 0, 1).to(at::kFloat), keys = k_BHNd.to(at::kFloat);
  const Tensor logits = at::matmul(query, keys.transpose(-2, -1)) / std::sqrt(static_cast<double>(keys.size(-1)));
  return at::softmax(logits, -1).squeeze(2);
}

}  // namespace eosin::nn
