#include "ssl/method_state.h"

#include "core/nn/weights.h"

namespace eosin::ssl {

State method_state(const torch::nn::Module& method, const nn::EncoderSpec& encoder) {
  State state;
  state.tensors = nn::named_weights(method);
  state.values["encoder"] = nn::to_json(encoder);
  return state;
}

}  // namespace eosin::ssl
