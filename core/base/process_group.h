#pragma once
// Several processes run as one: what `eosin launch` is made of.
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace eosin {

/// A process to start: the program by its path, its arguments, and variables added to this process's environment.
struct ProcessSpec {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<int> inherited_fd;  // an open descriptor that it keeps, under the same number
};

struct GroupOptions {
  double grace_s = 10;  // between SIGTERM and SIGKILL after a failure
  /// Receives each line: index of the process, whether it came from stderr, and the line without its end.
  std::function<void(size_t process, bool is_stderr, const std::string& line)> on_line;
};

struct GroupResult {
  int exit_code = 0;             // 0; or 75 if one stopped on request; or the first failure's (128 + signal if it was killed)
  std::optional<size_t> failed;  // index of the first that failed
  bool interrupted = false;      // a signal was forwarded
};

/// Starts all, waits for all. SIGINT, SIGTERM and SIGUSR2 that reach this process are forwarded to each, once for each that comes
/// (the processes lead groups of their own, so that a terminal's Ctrl-C is not seen twice). Exit codes 0 and 75 let the others go on;
/// any other ends them: SIGTERM at once, SIGKILL after the grace. If this process dies, they get SIGTERM.
/// Errors   Io if a process cannot be started (the ones already running are ended first).
/// Checked  tests/base/test_process_group.cpp, with shells as processes.
GroupResult run_process_group(const std::vector<ProcessSpec>& processes, const GroupOptions& options);

}  // namespace eosin
