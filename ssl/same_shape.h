#pragma once
#include "core/base/error.h"
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Both are [rows, width] and of one shape; Shape error naming both shapes otherwise.
inline void check_same_matrix(const char* where, const Tensor& a, const Tensor& b) {
  EOSIN_CHECK(a.dim() == 2 && a.sizes() == b.sizes() && a.size(0) > 0, Shape, "[{}] embeddings of [{}] and [{}] (need two of [B, D])", where,
              fmt::join(a.sizes().vec(), ", "), fmt::join(b.sizes().vec(), ", "));
}

}  // namespace eosin::ssl
