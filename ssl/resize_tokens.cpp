#include "ssl/resize_tokens.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor resize_tokens(const Tensor& tokens_BND, nn::PatchGrid from, nn::PatchGrid to) {
  if (from == to) return tokens_BND;
  const int64_t batch = tokens_BND.size(0), dim = tokens_BND.size(2);
  const Tensor image = tokens_BND.reshape({batch, from.rows, from.cols, dim}).permute({0, 3, 1, 2});
  return at::upsample_bicubic2d(image, {to.rows, to.cols}, false).permute({0, 2, 3, 1}).reshape({batch, to.count(), dim});
}

}  // namespace eosin::ssl
