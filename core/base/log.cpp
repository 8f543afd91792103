#include "core/base/log.h"

#include "core/base/error.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>

namespace eosin::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
    case Level::Off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

/// %* is "warning: " and the like; a plain message needs no word before it.
class LevelWord final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& msg, const std::tm&, spdlog::memory_buf_t& out) override {
    if (msg.level == spdlog::level::info) return;
    const auto word = spdlog::level::to_string_view(msg.level);
    out.append(word.data(), word.data() + word.size());
    out.push_back(':');
    out.push_back(' ');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelWord>(); }
};

/// All of the state; its mutex makes lines whole, so the sinks need none of their own.
class Log {
 public:
  Log() : stderr_(std::make_shared<spdlog::sinks::stderr_color_sink_st>()) { set_rank(0, 1); }

  void set_level(Level level) {
    const std::lock_guard lock(mutex_);
    level_ = level;
  }
  void set_rank(int rank, int world) {
    const std::lock_guard lock(mutex_);
    rank_ = rank;
    const std::string who = world > 1 ? fmt::format("[rank {}] ", rank) : "";
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, "\n");
    formatter->add_flag<LevelWord>('*').set_pattern(who + "%^%*%$%v");
    stderr_->set_formatter(std::move(formatter));
    file_pattern_ = fmt::format("%Y-%m-%d %H:%M:%S.%e [rank {}] %l: %v", rank);
    if (file_) file_->set_pattern(file_pattern_);
  }
  void set_file(const std::string& path) {
    const std::lock_guard lock(mutex_);
    file_.reset();
    if (path.empty()) return;
    try {
      file_ = std::make_shared<spdlog::sinks::basic_file_sink_st>(path);
    } catch (const spdlog::spdlog_ex& e) {
      fail_errno(fmt::format("[{}] cannot open the log for appending", path), errno);
    }
    file_->set_pattern(file_pattern_);
  }
  bool shows(Level level) const {
    const std::lock_guard lock(mutex_);
    return shown(level);
  }
  void set_status(std::string_view line) {
    const std::lock_guard lock(mutex_);
    if (!terminal_) return;
    clear_status();
    status_ = line;
    draw_status();
  }
  void write(Level level, std::string_view message) {
    const std::lock_guard lock(mutex_);
    const spdlog::details::log_msg msg("eosin", to_spdlog(level), {message.data(), message.size()});
    if (shown(level)) {
      clear_status();
      stderr_->log(msg);
      stderr_->flush();
      draw_status();
    }
    write_to_file(msg);
  }
  void write_to_file(Level level, std::string_view message) {
    const std::lock_guard lock(mutex_);
    write_to_file({"eosin", to_spdlog(level), {message.data(), message.size()}});
  }
  bool terminal() const { return terminal_; }

 private:
  void write_to_file(const spdlog::details::log_msg& msg) {
    if (!file_ || msg.level < spdlog::level::info) return;
    try {
      file_->log(msg);
      file_->flush();
    } catch (const spdlog::spdlog_ex& e) {  // a full disk: what the run writes itself says so in its own words
      file_.reset();
      std::fprintf(stderr, "warning: [log] log.txt is given up: %s\n", e.what());
    }
  }
  bool shown(Level level) const { return level >= level_ && (rank_ == 0 || level >= Level::Warning); }
  void clear_status() const {
    if (!status_.empty()) std::fputs("\r\x1b[K", stderr);
  }
  void draw_status() const {
    std::fputs(status_.c_str(), stderr);
    std::fflush(stderr);
  }

  mutable std::mutex mutex_;
  Level level_ = Level::Info;
  int rank_ = 0;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::string status_, file_pattern_;
  std::shared_ptr<spdlog::sinks::stderr_color_sink_st> stderr_;
  std::shared_ptr<spdlog::sinks::basic_file_sink_st> file_;
};

Log& instance() {
  static Log& log = *new Log;  // never destroyed: threads may log until the process ends
  return log;
}

}  // namespace

void set_level(Level level) { instance().set_level(level); }
void set_rank(int rank, int world) { instance().set_rank(rank, world); }
void set_file(const std::string& path) { instance().set_file(path); }
bool shows(Level level) { return instance().shows(level); }
bool has_terminal() { return instance().terminal(); }
void set_status(std::string_view line) { instance().set_status(line); }
void write(Level level, std::string_view message) { instance().write(level, message); }
void write_to_file(Level level, std::string_view message) { instance().write_to_file(level, message); }

}  // namespace eosin::log
