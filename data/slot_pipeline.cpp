#include "data/slot_pipeline.h"

#include <algorithm>

#include "core/base/error.h"

namespace eosin::data {

SlotPipeline::SlotPipeline(int64_t threads, Fill fill) : fill_(std::move(fill)) {
  EOSIN_CHECK(threads > 0, Config, "[loader] at least one thread is needed (got {})", threads);
  try {
    for (int64_t i = 0; i < threads; ++i) threads_.add([this] { run(); });
  } catch (...) {
    stop();
    throw;
  }
}

SlotPipeline::~SlotPipeline() { stop(); }

void SlotPipeline::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
}

void SlotPipeline::open(int64_t slots) {
  {
    const std::lock_guard lock(mutex_);
    open_.push_back({.batch = batches_++, .slots = slots, .failure = {}});
  }
  work_.notify_all();
}

void SlotPipeline::close_oldest() {
  std::unique_lock lock(mutex_);
  EOSIN_ASSERT(!open_.empty());
  full_.wait(lock, [&] { return open_.front().done == open_.front().slots; });
  const std::exception_ptr failure = open_.front().failure;
  open_.pop_front();
  lock.unlock();
  if (failure) std::rethrow_exception(failure);
}

double SlotPipeline::idle_seconds() const {
  const std::lock_guard lock(mutex_);
  return idle_seconds_;
}

SlotPipeline::Open* SlotPipeline::first_with_work() {
  const auto it = std::find_if(open_.begin(), open_.end(), [](const Open& o) { return o.taken < o.slots; });
  return it == open_.end() ? nullptr : &*it;
}

void SlotPipeline::run() {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto before = Clock::now();
    work_.wait(lock, [&] { return stopping_ || first_with_work() != nullptr; });
    idle_seconds_ += std::chrono::duration<double>(Clock::now() - before).count();
    if (stopping_) return;
    Open& open = *first_with_work();
    const int64_t slot = open.taken++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      fill_(open.batch, slot);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (open.failed_slot < 0 || slot < open.failed_slot)) open.failed_slot = slot, open.failure = failure;
    if (++open.done == open.slots) full_.notify_all();
  }
}

}  // namespace eosin::data
