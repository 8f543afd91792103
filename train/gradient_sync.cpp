#include "train/gradient_sync.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::train {

GradientSync::GradientSync(std::vector<Tensor> params, Comm& comm, int64_t bucket_bytes) : comm_(comm), bucket_bytes_(bucket_bytes) {
  if (comm_.size() == 1) return;
  for (auto& param : params) {
    auto flat = std::find_if(flats_.begin(), flats_.end(), [&](const Flat& f) { return f.params[0].scalar_type() == param.scalar_type(); });
    if (flat == flats_.end()) flat = flats_.insert(flats_.end(), Flat{});
    flat->params.push_back(std::move(param));
  }
  for (auto& flat : flats_) {
    int64_t count = static_cast<int64_t>(flat.params.size());
    for (const auto& param : flat.params) count += param.numel();
    flat.buffer = at::empty({count}, flat.params[0].options().requires_grad(false));
  }
}

void GradientSync::average() {
  for (auto& flat : flats_) average(flat);
}

void GradientSync::average(Flat& flat) {
  at::NoGradGuard no_grad;
  flat.buffer.zero_();
  const auto count = static_cast<int64_t>(flat.params.size());
  const Tensor present = flat.buffer.narrow(0, flat.buffer.numel() - count, count);
  std::vector<Tensor> slots;
  int64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& param = flat.params[static_cast<size_t>(i)];
    slots.push_back(flat.buffer.narrow(0, offset, param.numel()).view(param.sizes()));
    offset += param.numel();
    if (!param.grad().defined()) continue;
    slots.back().copy_(param.grad());
    present[i].fill_(1);
  }

  const int64_t slice = std::max<int64_t>(1, bucket_bytes_ / flat.buffer.element_size());
  for (int64_t begin = 0; begin < flat.buffer.numel(); begin += slice) {
    Tensor bucket = flat.buffer.narrow(0, begin, std::min(slice, flat.buffer.numel() - begin));
    comm_.all_reduce_sum(bucket);
  }
  flat.buffer.div_(comm_.size());

  for (int64_t i = 0; i < count; ++i) {
    Tensor& param = flat.params[static_cast<size_t>(i)];
    if (param.grad().defined())
      param.mutable_grad().copy_(slots[static_cast<size_t>(i)]);
    else if (present[i].item<double>() > 0)  // only then does the host wait for the device
      param.mutable_grad() = slots[static_cast<size_t>(i)].clone();
  }
}

}  // namespace eosin::train
