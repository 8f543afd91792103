#pragma once
// How far a job is: one live line on a terminal, a plain line at intervals elsewhere, nothing with --quiet or on ranks other than 0.
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace eosin {

/// "[tile] 120/400 slides, 30%, 2.5/s, 1:52 left, text"; without `total` (0) neither share nor time left.
std::string format_progress(std::string_view title, std::string_view unit, int64_t done, int64_t total, int64_t done_before, double seconds,
                            std::string_view text);

/// Thread-safe. The line goes away with the object; a job that ends says its result itself.
class ProgressLine {
 public:
  /// `done_before`: units that an earlier run did, which do not count for the rate.
  ProgressLine(std::string title, std::string unit, int64_t total, int64_t done_before = 0);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `text` follows the figures ("loss 9.71"); shown only when a line is due, so that a call costs next to nothing.
  void update(int64_t done, std::string_view text = {});
  void add(int64_t more = 1);

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::string_view text);

  const std::string title_, unit_;
  const int64_t total_, done_before_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  int64_t done_;
  Clock::time_point due_;
};

}  // namespace eosin
