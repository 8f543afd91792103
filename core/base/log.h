#pragma once
// Logging to stderr and, inside a run folder, to log.txt with time and rank. stdout belongs to results.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace eosin::log {

enum class Level { Debug, Info, Warning, Error, Off };

/// Sets what stderr shows (log.txt always has Info and above). Not thread-safe; called once by main.
void set_level(Level level);
/// Messages of other ranks than 0 reach stderr only from Warning up; the rank is printed when world > 1.
void set_rank(int rank, int world);
/// Adds (or with an empty path removes) the file that receives every message; appends. Io error if it cannot be opened.
void set_file(const std::string& path);

/// Whether stderr shows messages of that level (from this rank).
bool shows(Level level);
/// Whether stderr is a terminal, on which a status line can stand.
bool has_terminal();
/// One line below all messages of the terminal, redrawn after each of them; empty removes it. Thread-safe; nothing without a terminal.
void set_status(std::string_view line);

/// Thread-safe.
void write(Level level, std::string_view message);
/// Into the file alone: what stderr gets in another form.
void write_to_file(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> f, Args&&... a) {
  write(Level::Debug, fmt::format(f, std::forward<Args>(a)...));
}
template <class... Args>
void info(fmt::format_string<Args...> f, Args&&... a) {
  write(Level::Info, fmt::format(f, std::forward<Args>(a)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> f, Args&&... a) {
  write(Level::Warning, fmt::format(f, std::forward<Args>(a)...));
}

}  // namespace eosin::log
