#include "core/tensor/safetensors.h"

#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) { parse_safetensors(bytes, "input"); }

std::vector<std::string> seeds() {
  const std::string header = R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}})";
  return with(golden_inputs("data.safetensors"), {static_cast<char>(header.size()) + std::string(7, '\0') + header + "abcdefgh"});
}

}  // namespace eosin::fuzz
