#include "core/tensor/shared_text.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin {

std::string shared_text(Comm& comm, const std::string& text, int root) {
  Tensor length = at::full({1}, static_cast<int64_t>(text.size()), at::kLong);
  comm.broadcast(length, root);
  Tensor bytes = at::zeros({length.item<int64_t>()}, at::kByte);
  if (comm.rank() == root) std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<uint8_t>());
  comm.broadcast(bytes, root);
  return {reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()), static_cast<size_t>(bytes.numel())};
}

}  // namespace eosin
