#pragma once
// A loop shared by several threads.
#include "core/base/thread_team.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>

namespace eosin {

/// Calls work(i) for every i < n from `threads` threads, the caller's among them, in no order. The first exception ends the loop and is thrown
/// again when all threads are back.
/// Checked  tests/base/test_parallel.cpp.
template <class Work>
void parallel_for(size_t n, int64_t threads, Work work) {
  std::atomic<size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    try {
      for (size_t i = next++; i < n; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = n;
    }
  };
  ThreadTeam others;
  try {
    for (int64_t t = 1; t < threads; ++t) others.add(loop);
  } catch (...) {
    next = n;
    throw;
  }
  loop();
  others.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace eosin
