#pragma once
// How many floating-point operations a stretch of work really does, whatever the model.
#include <ATen/record_function.h>

namespace eosin {

/// Counts the products that torch runs in this process, on all threads, while it lives: matrix products, convolutions and fused attention, forward
/// and backward, two operations for a multiplication with its addition. Element-wise work is not counted. Attention's backward pass counts four
/// products, not the recomputed fifth, so that a step is three times its forward pass; what a caller computes twice counts twice.
///
/// Errors   Internal if two counters live at a time.
/// Checked  tests/tensor/test_flop_counter.cpp: closed forms; tests/nn/test_vit.cpp.
class FlopCounter {
 public:
  FlopCounter();
  ~FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;

  double flops() const;

 private:
  at::CallbackHandle handle_;
};

}  // namespace eosin
