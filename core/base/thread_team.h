#pragma once
// Threads that somebody waits for.
#include "core/base/error.h"

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace eosin {

/// Joined when the team goes; whoever holds it sees to it that their bodies end.
/// Checked  tests/base/test_parallel.cpp.
class ThreadTeam {
 public:
  ThreadTeam() = default;
  ~ThreadTeam() { join(); }
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  /// Errors   Io if the system starts no further thread (a limit of the user's or of the container's).
  template <class Body>
  void add(Body body) {
    try {
      threads_.emplace_back(std::move(body));
    } catch (const std::system_error& e) {
      fail(ErrorKind::Io,
           "[threads] the system starts no further thread after {} of them: {}; give run.threads a smaller number, or raise `ulimit -u`",
           threads_.size(), e.code().message());
    }
  }

  void join() {
    for (auto& t : threads_)
      if (t.joinable()) t.join();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace eosin
