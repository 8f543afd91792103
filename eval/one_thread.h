#pragma once
// LAPACK and BLAS sum in an order that depends on their threads; what must have the same bits on any machine runs on one.
#include <ATen/Parallel.h>

namespace eosin::eval {

class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace eosin::eval
