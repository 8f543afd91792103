// Array and tensor files of other programs.
#include "tests/golden/runner.h"

#include "core/tensor/torch_archive.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

std::span<const uint8_t> span_of(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

Results under_out(const TensorMap& tensors) {
  Results results;
  for (const auto& [name, t] : tensors) results.emplace("out." + name, t);
  return results;
}

Results pickle_reader(const Case& c) { return under_out(parse_torch_archive(span_of(c.bytes("in.bytes")), c.path)); }

}  // namespace

std::vector<Row> data_files_rows() { return {{"data.pickle_reader", pickle_reader}}; }

}  // namespace eosin::golden
