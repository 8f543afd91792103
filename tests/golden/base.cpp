#include "tests/golden/runner.h"

#include "core/tensor/safetensors.h"

namespace eosin::golden {
namespace {

Results safetensors(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  Results out;
  for (auto& [name, t] : parse_safetensors({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, c.path).tensors) out["out." + name] = t;
  return out;
}

}  // namespace

std::vector<Row> base_rows() { return {{"data.safetensors", safetensors}}; }

}  // namespace eosin::golden
