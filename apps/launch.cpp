// `eosin launch`: ranks on this node without torchrun.
#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/process_group.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace eosin::apps {
namespace {

constexpr int kMaxRanks = 1024;

/// A listening socket of the loopback on a free port; rank 0 takes it over, so that no other program can get the port in between.
class Port {
 public:
  Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (fd_ < 0 || ::bind(fd_, generic, length) != 0 || ::listen(fd_, kMaxRanks) != 0 || ::getsockname(fd_, generic, &length) != 0)
      fail_errno("[launch] cannot open a port on 127.0.0.1", errno);
    number_ = ntohs(address.sin_port);
  }
  ~Port() { ::close(fd_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  int fd() const { return fd_; }
  int number() const { return number_; }

 private:
  int fd_, number_ = 0;
};

struct Plan {
  int nproc = 0, max_restarts = 0;
  std::vector<std::string> command;  // the verb and what follows it
};

int integer_flag(const Invocation& in, const std::string& name, int fallback, int low, int high) {
  for (const std::string& flag : in.flags) {
    if (!flag.starts_with(name + "=")) continue;
    const std::string text = flag.substr(name.size() + 1);
    int value = 0;
    const char* end = text.data() + text.size();
    EOSIN_CHECK(std::from_chars(text.data(), end, value).ptr == end && value >= low && value <= high, Config,
                "[launch] {} is '{}' (need an integer from {} to {})", name, text, low, high);
    return value;
  }
  return fallback;
}

Plan read_plan(const Invocation& in) {
  Plan plan{integer_flag(in, "--nproc", 0, 1, kMaxRanks), integer_flag(in, "--max-restarts", 0, 0, 1000), in.words};
  EOSIN_CHECK(plan.nproc > 0, Config, "[launch] --nproc is missing: eosin launch --nproc 2 -- pretrain CONFIG.yaml");
  EOSIN_CHECK(!plan.command.empty() && in.overrides.empty(), Config, "[launch] write the verb and all that belongs to it behind '--'");
  const std::string& name = plan.command.front();
  const bool known = std::any_of(verbs().begin(), verbs().end(), [&](const Verb& v) { return v.name == name && v.name != "launch"; });
  EOSIN_CHECK(known, Config, "[launch] '{}' is not a verb that ranks can run; see eosin --help", name);
  return plan;
}

/// torchrun's variables, so that everything that reads those works below this launcher too.
std::vector<ProcessSpec> rank_specs(const Plan& plan, const Port& port, int attempt) {
  const std::string threads = std::to_string(std::max(1, usable_cores() / plan.nproc)), world = std::to_string(plan.nproc);
  std::vector<ProcessSpec> specs;
  for (int rank = 0; rank < plan.nproc; ++rank) {
    ProcessSpec spec;
    spec.argv = {std::filesystem::read_symlink("/proc/self/exe").string()};
    spec.argv.insert(spec.argv.end(), plan.command.begin(), plan.command.end());
    spec.environment = {{"EOSIN_LAUNCH", "1"},
                        {"RANK", std::to_string(rank)},
                        {"LOCAL_RANK", std::to_string(rank)},
                        {"WORLD_SIZE", world},
                        {"LOCAL_WORLD_SIZE", world},
                        {"MASTER_ADDR", "127.0.0.1"},
                        {"MASTER_PORT", std::to_string(port.number())},
                        {"EOSIN_STORE_FD", std::to_string(port.fd())},
                        {"TORCHELASTIC_RESTART_COUNT", std::to_string(attempt)}};
    if (std::getenv("OMP_NUM_THREADS") == nullptr) spec.environment.emplace_back("OMP_NUM_THREADS", threads);
    if (rank == 0) spec.inherited_fd = port.fd();
    specs.push_back(std::move(spec));
  }
  return specs;
}

/// What all ranks said and how they ended.
struct Attempt {
  GroupResult result;
  std::vector<std::string> last_error;  // each rank's last "error: ..." line
};

/// Rank 0's stdout is the result and stays stdout; every other line goes to stderr behind its rank.
Attempt run_ranks(const Plan& plan, int attempt) {
  const Port port;
  Attempt out;
  out.last_error.resize(static_cast<size_t>(plan.nproc));
  GroupOptions options;
  options.on_line = [&out](size_t rank, bool is_stderr, const std::string& line) {
    if (is_stderr && line.starts_with("error: ")) out.last_error[rank] = line.substr(7);
    if (rank == 0 && !is_stderr)
      std::fprintf(stdout, "%s\n", line.c_str()), std::fflush(stdout);
    else
      std::fprintf(stderr, "[%zu] %s\n", rank, line.c_str());
  };
  out.result = run_process_group(rank_specs(plan, port, attempt), options);
  return out;
}

/// A wrong config stays wrong, and a stop was asked for.
bool worth_restarting(const GroupResult& result) {
  return result.failed && !result.interrupted && result.exit_code != static_cast<int>(ErrorKind::Config);
}

int run(const Invocation& in) {
  const Plan plan = read_plan(in);
  for (int attempt = 0;; ++attempt) {
    const Attempt last = run_ranks(plan, attempt);
    if (!last.result.failed) return last.result.exit_code;
    const std::string what = fmt::format("[launch] rank {} of {} ended with exit code {}: {}", *last.result.failed, plan.nproc, last.result.exit_code,
                                         last.last_error[*last.result.failed].empty() ? "it left no message" : last.last_error[*last.result.failed]);
    if (attempt < plan.max_restarts && worth_restarting(last.result)) {
      log::warn("{}; restart {} of {}", what, attempt + 1, plan.max_restarts);
      continue;
    }
    std::fprintf(stderr, "error: %s\n", what.c_str());
    return last.result.exit_code;
  }
}

}  // namespace

Verb launch_verb() {
  return {"launch",
          "launch --nproc N [--max-restarts R] -- VERB [CONFIG.yaml] [key=value ...]",
          "starts N ranks on this node without torchrun",
          "eosin launch --nproc 2 -- pretrain configs/ssl/dino_vits16.yaml",
          {"--nproc=number of ranks", "--max-restarts=restarts of all ranks after a failure (0)"},
          run,
          nullptr};
}

}  // namespace eosin::apps
