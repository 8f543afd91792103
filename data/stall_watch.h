#pragma once
// Says what is waited for when a disk does not answer: silence is the one thing that a stalled run must not keep.
#include "core/base/thread_team.h"

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace eosin::data {

/// Watches reads in flight from a thread of its own and logs the file of each one that takes longer than `patience`, and again after every
/// further `patience`. It ends no wait: the disk may still answer.
/// Checked  tests/data/test_loader.cpp: a source that does not answer.
class StallWatch {
 public:
  explicit StallWatch(std::chrono::duration<double> patience = std::chrono::seconds(20));
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  struct Read {
    const std::string* file;
    Clock::time_point since, due;
  };
  void watch();
  std::vector<std::pair<std::string, double>> take_late();

  const Clock::duration patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Read> reads_;
  bool stopping_ = false;
  ThreadTeam thread_;

 public:
  /// A read, from construction to destruction. `file` outlives it.
  class Wait {
   public:
    Wait(StallWatch& watch, const std::string& file);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    StallWatch& watch_;
    std::list<Read>::iterator read_;
  };
};

}  // namespace eosin::data
