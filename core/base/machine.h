#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace eosin {

/// What a figure or a run was made on.
struct Machine {
  std::string host, system, cpu;  // "node7", "Linux 6.1.0 (Debian GNU/Linux 12)", "AMD EPYC 9654"
  int cores;                      // that this process may use
  uint64_t memory_bytes;          // that this process may use
};
Machine machine();
void to_json(nlohmann::ordered_json& j, const Machine& m);

/// CPU cores that this process may use: the affinity mask, within the limit of its control group; at least 1.
int usable_cores();
/// What `threads` of a config means: so many, or with 0 all usable cores.
int64_t used_threads(int64_t threads);

}  // namespace eosin
