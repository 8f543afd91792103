#include "ssl/method_state.h"

#include "core/nn/weights.h"

namespace eosin::ssl {
namespace {

const std::string kStudent = "student.";

}  // namespace

State method_state(const torch::nn::Module& method, const nn::EncoderSpec& encoder) {
  State state;
  state.tensors = nn::named_weights(method);
  state.values["encoder"] = nn::to_json(encoder);
  return state;
}

State student_state(const torch::nn::Module& student, const nn::EncoderSpec& encoder) {
  State state;
  for (const auto& [name, tensor] : nn::named_weights(student)) state.tensors.emplace(kStudent + name, tensor);
  state.values["encoder"] = nn::to_json(encoder);
  return state;
}

void load_student(torch::nn::Module& student, const State& state) {
  TensorMap mine;
  for (const auto& [name, tensor] : state.tensors)
    if (name.starts_with(kStudent)) mine.emplace(name.substr(kStudent.size()), tensor);
  nn::load_weights(student, mine);
}

}  // namespace eosin::ssl
