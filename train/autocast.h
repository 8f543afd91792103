#pragma once
#include <ATen/core/Tensor.h>

namespace eosin::train {

/// While it lives, and if `on`, matrix products and convolutions on `device` run in bfloat16 with float32 weights (torch.autocast).
class Autocast {
 public:
  Autocast(at::DeviceType device, bool on);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool on_;
};

}  // namespace eosin::train
