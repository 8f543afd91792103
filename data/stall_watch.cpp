#include "data/stall_watch.h"

#include "core/base/log.h"

namespace eosin::data {

StallWatch::StallWatch(std::chrono::duration<double> patience) : patience_(std::chrono::duration_cast<Clock::duration>(patience)) {
  thread_.add([this] { watch(); });
}

StallWatch::~StallWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

/// Looks again a quarter of the patience later: nobody has to wake this thread for a read that comes back.
void StallWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, patience_ / 4, [this] { return stopping_; })) {
    const auto late = take_late();
    lock.unlock();  // the log may be slow, and reads come back meanwhile
    for (const auto& [file, seconds] : late) log::warn("[read] {} has not answered for {:.1f} s; waiting for it", file, seconds);
    lock.lock();
  }
}

std::vector<std::pair<std::string, double>> StallWatch::take_late() {
  std::vector<std::pair<std::string, double>> late;
  const auto now = Clock::now();
  for (Read& read : reads_) {
    if (now < read.due) continue;
    late.emplace_back(*read.file, std::chrono::duration<double>(now - read.since).count());
    read.due = now + patience_;
  }
  return late;
}

StallWatch::Wait::Wait(StallWatch& watch, const std::string& file) : watch_(watch) {
  const auto now = Clock::now();
  const std::lock_guard lock(watch_.mutex_);
  read_ = watch_.reads_.insert(watch_.reads_.end(), {&file, now, now + watch_.patience_});
}

StallWatch::Wait::~Wait() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.reads_.erase(read_);
}

}  // namespace eosin::data
