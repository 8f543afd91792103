#pragma once
// Threads that fill batches ahead of their consumer, slot by slot and in order.
//
// Goals      the result does not depend on the number of threads; no wait without an owner that ends it; an exception of a thread
//            reaches the consumer with the batch it belongs to.
// Non-goals  knowing what a batch is: the owner holds the memory and says how a slot is filled.
#include "core/base/thread_team.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>

namespace eosin::data {

/// Checked  tests/data/test_loader.cpp: order, exceptions, destruction in the middle.
class SlotPipeline {
 public:
  /// `fill(batch, slot)` runs on the threads, for different slots at the same time. Batches are numbered from 0.
  using Fill = std::function<void(int64_t batch, int64_t slot)>;

  SlotPipeline(int64_t threads, Fill fill);
  /// Lets the threads finish the slot in hand, drops the rest, joins.
  ~SlotPipeline();
  SlotPipeline(const SlotPipeline&) = delete;
  SlotPipeline& operator=(const SlotPipeline&) = delete;

  /// Hands the next batch to the threads. Its slots are taken in order, after those of earlier batches.
  void open(int64_t slots);
  /// Waits until the oldest open batch is full and closes it; rethrows the exception of its lowest failed slot.
  void close_oldest();

  /// Seconds that the threads have waited for an open batch, all together.
  double idle_seconds() const;

 private:
  struct Open {
    int64_t batch, slots;
    int64_t taken = 0, done = 0;
    int64_t failed_slot = -1;
    std::exception_ptr failure;
  };

  void run();
  void stop();
  Open* first_with_work();

  const Fill fill_;
  mutable std::mutex mutex_;
  std::condition_variable work_, full_;
  std::deque<Open> open_;  // references stay valid while batches come and go at its ends
  int64_t batches_ = 0;
  bool stopping_ = false;
  double idle_seconds_ = 0;
  ThreadTeam threads_;  // last: they use everything above
};

}  // namespace eosin::data
