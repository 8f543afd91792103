#include "core/base/stop.h"

#include <atomic>
#include <csignal>

namespace eosin::stop {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // or a handler could not touch it

void on_signal(int number) {
  stop_requested = true;
  if (number != SIGINT) return;
  if (interrupted.exchange(true)) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

void install() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGUSR2}) ::sigaction(number, &action, nullptr);
}

bool requested() noexcept { return stop_requested; }
void request() noexcept { stop_requested = true; }
void reset() noexcept { stop_requested = interrupted = false; }

}  // namespace eosin::stop
