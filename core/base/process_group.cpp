#include "core/base/process_group.h"

#include "core/base/error.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <iterator>
#include <map>
#include <tuple>

extern char** environ;

namespace eosin {
namespace {

using Clock = std::chrono::steady_clock;

/// Closes what it holds.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

std::pair<Descriptor, Descriptor> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, flags) != 0) fail_errno("[launch] cannot make a pipe", errno);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

constexpr int kSignals[] = {SIGCHLD, SIGINT, SIGTERM, SIGUSR2};
volatile int signal_pipe = -1;  // the handler's only access to the one SignalSource

/// Signals, whichever thread they reach, arrive through a descriptor while this lives.
class SignalSource {
 public:
  SignalSource() {
    EOSIN_ASSERT(signal_pipe < 0);
    std::tie(read_, write_) = make_pipe(O_CLOEXEC | O_NONBLOCK);
    signal_pipe = write_.get();
    struct sigaction action {};
    action.sa_handler = [](int signal) {
      const int code = errno;
      const auto byte = static_cast<unsigned char>(signal);
      [[maybe_unused]] const ssize_t n = ::write(signal_pipe, &byte, 1);
      errno = code;
    };
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalSource() {
    for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
    signal_pipe = -1;
  }
  SignalSource(const SignalSource&) = delete;
  SignalSource& operator=(const SignalSource&) = delete;
  int fd() const { return read_.get(); }
  /// The next signal, or 0.
  int next() const {
    unsigned char signal = 0;
    return ::read(read_.get(), &signal, 1) == 1 ? signal : 0;
  }

 private:
  Descriptor read_, write_;
  struct sigaction before_[std::size(kSignals)]{};
};

/// One output of a process, cut into lines.
struct Stream {
  Descriptor fd;
  std::string pending;
};

struct Process {
  pid_t pid = -1;
  bool running = false;
  Stream streams[2];  // stdout, stderr
};

std::vector<std::string> merged_environment(const ProcessSpec& spec) {
  std::map<std::string, std::string> variables;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    variables[entry.substr(0, entry.find('='))] = entry;
  }
  for (const auto& [name, value] : spec.environment) variables[name] = name + "=" + value;
  std::vector<std::string> out;
  for (auto& [name, entry] : variables) out.push_back(std::move(entry));
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& w : words) out.push_back(w.data());
  out.push_back(nullptr);
  return out;
}

/// Fork and exec; a failure of exec travels back through a pipe that exec closes.
Process start(const ProcessSpec& spec) {
  auto [out_read, out_write] = make_pipe(O_CLOEXEC);
  auto [err_read, err_write] = make_pipe(O_CLOEXEC);
  auto [status_read, status_write] = make_pipe(O_CLOEXEC);
  std::vector<std::string> arguments = spec.argv, environment = merged_environment(spec);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) fail_errno(fmt::format("[launch] cannot start {}", spec.argv[0]), errno);
  if (pid == 0) {  // only async-signal-safe calls from here on
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(out_write.get(), STDOUT_FILENO);
    ::dup2(err_write.get(), STDERR_FILENO);
    if (spec.inherited_fd) ::fcntl(*spec.inherited_fd, F_SETFD, 0);
    for (int s : kSignals) ::signal(s, SIG_DFL);
    ::execve(argv[0], argv.data(), envp.data());
    const int code = errno;
    [[maybe_unused]] const ssize_t n = ::write(status_write.get(), &code, sizeof code);
    ::_exit(127);
  }
  ::setpgid(pid, pid);
  status_write.reset();
  int code = 0;
  if (::read(status_read.get(), &code, sizeof code) == sizeof code) {
    ::waitpid(pid, nullptr, 0);
    fail_errno(fmt::format("[launch] cannot start {}", spec.argv[0]), code);
  }
  for (const Descriptor* d : {&out_read, &err_read}) ::fcntl(d->get(), F_SETFL, O_NONBLOCK);
  Process p;
  p.pid = pid;
  p.running = true;
  p.streams[0].fd = std::move(out_read);
  p.streams[1].fd = std::move(err_read);
  return p;
}

class Group {
 public:
  Group(const std::vector<ProcessSpec>& specs, const GroupOptions& options) : options_(options) {
    try {
      for (const auto& spec : specs) processes_.push_back(start(spec));
    } catch (...) {
      signal_all(SIGKILL);
      for (auto& p : processes_) ::waitpid(p.pid, nullptr, 0);
      throw;
    }
  }

  GroupResult run() {
    while (any_running()) {
      wait_for_events();
      while (const int signal = signals_.next()) on_signal(signal);
      reap();
      for (size_t i = 0; i < processes_.size(); ++i) drain(i);
      if (kill_at_ && Clock::now() >= *kill_at_) {
        signal_all(SIGKILL);
        kill_at_.reset();
      }
    }
    for (size_t i = 0; i < processes_.size(); ++i) finish(i);
    return result_;
  }

 private:
  bool any_running() const {
    for (const auto& p : processes_)
      if (p.running) return true;
    return false;
  }

  void wait_for_events() const {
    std::vector<pollfd> fds = {{signals_.fd(), POLLIN, 0}};
    for (const auto& p : processes_)
      for (const auto& s : p.streams)
        if (s.fd.get() >= 0) fds.push_back({s.fd.get(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), kill_at_ ? 50 : 1000);
  }

  void on_signal(int signal) {
    if (signal == SIGCHLD) return;
    result_.interrupted = true;
    signal_all(signal);
  }

  /// To the groups of all that run (their own children included).
  void signal_all(int signal) const {
    for (const auto& p : processes_)
      if (p.running) ::kill(-p.pid, signal);
  }

  void reap() {
    for (size_t i = 0; i < processes_.size(); ++i) {
      Process& p = processes_[i];
      int status = 0;
      if (!p.running || ::waitpid(p.pid, &status, WNOHANG) != p.pid) continue;
      p.running = false;
      on_exit(i, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
  }

  void on_exit(size_t index, int code) {
    if (result_.failed || code == 0) return;
    result_.exit_code = code;
    if (code == kExitStopped) return;
    result_.failed = index;
    signal_all(SIGTERM);
    kill_at_ = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(options_.grace_s * 1000));
  }

  /// Passes on all complete lines that are there.
  void drain(size_t index) {
    for (int which = 0; which < 2; ++which) {
      Stream& s = processes_[index].streams[which];
      char buffer[65536];
      ssize_t n = 0;
      while (s.fd.get() >= 0 && (n = ::read(s.fd.get(), buffer, sizeof buffer)) > 0) s.pending.append(buffer, static_cast<size_t>(n));
      if (n == 0) s.fd.reset();
      size_t begin = 0;
      for (size_t end; (end = s.pending.find('\n', begin)) != std::string::npos; begin = end + 1)
        options_.on_line(index, which == 1, s.pending.substr(begin, end - begin));
      s.pending.erase(0, begin);
    }
  }

  void finish(size_t index) {
    drain(index);
    for (int which = 0; which < 2; ++which)
      if (std::string& rest = processes_[index].streams[which].pending; !rest.empty()) options_.on_line(index, which == 1, rest);
  }

  const GroupOptions& options_;
  SignalSource signals_;
  std::vector<Process> processes_;
  GroupResult result_;
  std::optional<Clock::time_point> kill_at_;
};

}  // namespace

GroupResult run_process_group(const std::vector<ProcessSpec>& processes, const GroupOptions& options) {
  EOSIN_ASSERT(!processes.empty() && options.on_line);
  return Group(processes, options).run();
}

}  // namespace eosin
