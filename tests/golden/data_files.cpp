// Array and tensor files of other programs.
#include "tests/golden/runner.h"

#include "core/tensor/torch_archive.h"
#include "data/mat5.h"
#include "data/mil_mat.h"

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

Results mat5(const Case& c) {
  return under_out(data::parse_mat5(span_of(c.bytes("in.bytes")), c.path, c.config.value("max_bytes", uint64_t{1} << 30)));
}

Results mil_mat(const Case& c) {
  const data::BagSet set = data::read_mil_mat(c.find_file(c.config.at("bags")));
  const Tensor& x = set.instances_ND;
  return {{"out.n_instances", scalar_i64(x.size(0))},
          {"out.n_features", scalar_i64(x.size(1))},
          {"out.bag_index", at::tensor(set.bag_index, at::kLong)},
          {"out.bag_label", at::tensor(set.bag_label, at::kLong)},
          {"out.feature_sum", x.sum(0)},
          {"out.first_row", x[0]},
          {"out.last_row", x[-1]}};
}

}  // namespace

std::vector<Row> data_files_rows() { return {{"data.pickle_reader", pickle_reader}, {"data.mat5", mat5}, {"data.mil_mat", mil_mat}}; }

}  // namespace eosin::golden
