#include "core/base/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

namespace eosin {
namespace {

/// The text after `key` and `separator` on the first line of the file that begins with the key.
std::string value_in(const char* path, const std::string& key, const std::string& separator) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    line.erase(0, at + separator.size());
    line.erase(std::remove(line.begin(), line.end(), '"'), line.end());
    return line;
  }
  return {};
}

/// Cores that the control group grants, where it limits them.
std::optional<double> granted_cores() {
  std::string quota;
  double period = 0;
  std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period;  // version 2
  if (quota.empty()) {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;  // version 1
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota.empty() || quota == "max" || quota[0] == '-' || period <= 0) return std::nullopt;
  return std::stod(quota) / period;
}

uint64_t usable_memory() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    uint64_t limit = 0;
    if (std::ifstream(path) >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

}  // namespace

int usable_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cores = ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : static_cast<int>(std::thread::hardware_concurrency());
  if (const auto granted = granted_cores()) cores = std::min(cores, static_cast<int>(std::ceil(*granted)));
  return std::max(cores, 1);
}

int64_t used_threads(int64_t threads) { return threads > 0 ? threads : usable_cores(); }

Machine machine() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  utsname kernel{};
  ::uname(&kernel);
  std::string cpu = value_in("/proc/cpuinfo", "model name", ": ");
  const std::string name = value_in("/etc/os-release", "PRETTY_NAME", "=");
  return {host, std::string(kernel.sysname) + " " + kernel.release + (name.empty() ? "" : " (" + name + ")"), cpu.empty() ? kernel.machine : cpu,
          usable_cores(), usable_memory()};
}

void to_json(nlohmann::ordered_json& j, const Machine& m) {
  j = {{"host", m.host}, {"system", m.system}, {"cpu", m.cpu}, {"cores", m.cores}, {"memory_bytes", m.memory_bytes}};
}

}  // namespace eosin
