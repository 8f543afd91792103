#include "core/base/error.h"
#include "core/tensor/comm.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

namespace eosin {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

int integer(const std::string& name, const std::string& text, int low, int high) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  EOSIN_CHECK(code == std::errc() && stop == end && value >= low && value <= high, Config, "[environment] {}='{}' (need an integer from {} to {})",
              name, text, low, high);
  return value;
}

int integer_variable(const char* name, int low, int high) { return integer(name, variable(name).value_or(""), low, high); }

constexpr int kMaxRanks = 1 << 20;

/// Variables that torchrun, our own launcher, or a user sets by hand: all or none.
LaunchEnv read_rank_variables(std::string source) {
  constexpr const char* kNames[] = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"};
  std::string missing;
  for (const char* name : kNames)
    if (!variable(name)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  EOSIN_CHECK(missing.empty(), Config,
              "[environment] partly set for several ranks: {} missing; set all of RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, "
              "MASTER_ADDR, MASTER_PORT, or none",
              missing);
  LaunchEnv env;
  env.source = std::move(source);
  env.world = integer_variable("WORLD_SIZE", 1, kMaxRanks);
  env.rank = integer_variable("RANK", 0, env.world - 1);
  env.local_world = integer_variable("LOCAL_WORLD_SIZE", 1, env.world);
  env.local_rank = integer_variable("LOCAL_RANK", 0, env.local_world - 1);
  env.master_addr = *variable("MASTER_ADDR");
  env.master_port = integer_variable("MASTER_PORT", 1, 65535);
  if (variable("TORCHELASTIC_RESTART_COUNT")) env.attempt = integer_variable("TORCHELASTIC_RESTART_COUNT", 0, kMaxRanks);
  env.agent_store = variable("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  if (variable("EOSIN_STORE_FD") && env.rank == 0) env.store_fd = integer_variable("EOSIN_STORE_FD", 3, kMaxRanks);
  return env;
}

/// A user's shell on a node of an allocation has SLURM's variables but is one process (as Lightning does).
bool is_slurm_job() {
  const std::string job = variable("SLURM_JOB_NAME").value_or("");
  return variable("SLURM_JOB_ID") && variable("SLURM_PROCID") && variable("SLURM_NTASKS") && job != "bash" && job != "interactive";
}

LaunchEnv read_slurm_variables() {
  LaunchEnv env;
  env.source = "slurm";
  env.world = integer_variable("SLURM_NTASKS", 1, kMaxRanks);
  env.rank = integer_variable("SLURM_PROCID", 0, env.world - 1);
  env.local_rank = integer_variable("SLURM_LOCALID", 0, env.world - 1);
  // "4(x2),3": tasks on each node; without it, all ranks share one node if there is one
  const std::string tasks = variable("SLURM_STEP_TASKS_PER_NODE").value_or(variable("SLURM_TASKS_PER_NODE").value_or(std::to_string(env.world)));
  const int node = variable("SLURM_NODEID") ? integer_variable("SLURM_NODEID", 0, kMaxRanks) : 0;
  env.local_world = std::max(env.local_rank + 1, slurm_tasks_on_node(tasks, node));
  const auto nodes = variable("SLURM_STEP_NODELIST") ? variable("SLURM_STEP_NODELIST") : variable("SLURM_JOB_NODELIST");
  EOSIN_CHECK(env.world == 1 || nodes, Config, "[environment] SLURM_NTASKS={} but SLURM_JOB_NODELIST is not set", env.world);
  if (nodes) env.master_addr = slurm_first_host(*nodes);
  const std::string job = *variable("SLURM_JOB_ID");
  env.master_port = 20000 + integer("SLURM_JOB_ID", job, 0, INT32_MAX) % 40000;
  if (variable("SLURM_RESTART_COUNT")) env.attempt = integer_variable("SLURM_RESTART_COUNT", 0, kMaxRanks);
  return env;
}

}  // namespace

std::string slurm_first_host(const std::string& node_list) {
  std::string host;
  bool skipping = false;  // the rest of a bracket, behind its first number
  int depth = 0;
  for (char c : node_list) {
    if (c == '[' && depth == 0) {
      depth = 1;
    } else if (c == ']' && depth == 1) {
      depth = 0;
      skipping = false;
    } else if (c == ',' && depth == 0) {
      break;
    } else if (depth == 1 && (c == ',' || c == '-')) {
      skipping = true;
    } else if (!skipping) {
      host += c;
    }
  }
  const bool plain = std::all_of(host.begin(), host.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_'; });
  EOSIN_CHECK(depth == 0 && plain && !host.empty(), Config, "[environment] cannot read SLURM's node list '{}' (need host[1-3,7],other)", node_list);
  return host;
}

int slurm_tasks_on_node(const std::string& tasks, int node) {
  int first = 0;
  for (size_t at = 0; at < tasks.size();) {
    const size_t end = std::min(tasks.find(',', at), tasks.size());
    const std::string item = tasks.substr(at, end - at);
    const size_t times = item.find("(x");
    const int repeat =
        times == std::string::npos ? 1 : integer("SLURM_TASKS_PER_NODE", item.substr(times + 2, item.size() - times - 3), 1, kMaxRanks);
    first += repeat;
    if (node < first) return integer("SLURM_TASKS_PER_NODE", item.substr(0, times), 1, kMaxRanks);
    at = end + 1;
  }
  fail(ErrorKind::Config, "[environment] SLURM_TASKS_PER_NODE='{}' has no node {}", tasks, node);
}

LaunchEnv read_launch_env() {
  if (variable("EOSIN_LAUNCH")) return read_rank_variables("eosin launch");
  if (variable("TORCHELASTIC_RUN_ID")) return read_rank_variables("torchrun");
  if (is_slurm_job()) return read_slurm_variables();
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})
    if (variable(name)) return read_rank_variables("environment");
  return {};
}

}  // namespace eosin
