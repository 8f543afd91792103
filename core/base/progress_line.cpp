#include "core/base/progress_line.h"

#include "core/base/log.h"

namespace eosin {
namespace {

constexpr std::chrono::milliseconds kLive{100};
constexpr std::chrono::seconds kPlain{30};

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

std::string format_progress(std::string_view title, std::string_view unit, int64_t done, int64_t total, int64_t done_before, double seconds,
                            std::string_view text) {
  std::string line = fmt::format("[{}] {}", title, done);
  if (total > 0) line += fmt::format("/{}", total);
  line += fmt::format(" {}", unit);
  if (total > 0) line += fmt::format(", {}%", 100 * done / total);
  if (const int64_t here = done - done_before; here > 0 && seconds > 0) {
    const double rate = static_cast<double>(here) / seconds;
    line += rate >= 1 ? fmt::format(", {:.{}f}/s", rate, rate < 100 ? 1 : 0) : fmt::format(", {:.1f} s each", 1 / rate);
    if (total > done) line += fmt::format(", {} left", duration(static_cast<double>(total - done) / rate));
  }
  if (!text.empty()) line += fmt::format(", {}", text);
  return line;
}

ProgressLine::ProgressLine(std::string title, std::string unit, int64_t total, int64_t done_before)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      done_before_(done_before),
      done_(done_before),
      due_(log::has_terminal() ? start_ : start_ + kPlain) {}

ProgressLine::~ProgressLine() { log::set_status({}); }

void ProgressLine::update(int64_t done, std::string_view text) {
  const std::lock_guard lock(mutex_);
  done_ = done;
  show(text);
}

void ProgressLine::add(int64_t more) {
  const std::lock_guard lock(mutex_);
  done_ += more;
  show({});
}

void ProgressLine::show(std::string_view text) {
  const Clock::time_point now = Clock::now();
  if (now < due_ || !log::shows(log::Level::Info)) return;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = format_progress(title_, unit_, done_, total_, done_before_, seconds, text);
  due_ = now + (log::has_terminal() ? Clock::duration(kLive) : Clock::duration(kPlain));
  if (log::has_terminal())
    log::set_status(line);
  else
    log::info("{}", line);
}

}  // namespace eosin
