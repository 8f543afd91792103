#pragma once
// The `run` block that every verb's config shares.
#include "core/base/config.h"

#include <optional>
#include <string>
#include <string_view>

namespace eosin {

/// The index of "cuda:N"; none for any other text.
std::optional<int> cuda_index(std::string_view word);

struct RunConfig {
  std::string dir = "runs/default";
  std::string name;
  int64_t seed = 0;
  std::string device = "auto";
  int64_t threads = 0;
  bool deterministic = true;
  void visit(config::Visitor& v) {
    v("dir", dir, "run folder: config, log, metrics, checkpoints, report; an existing one with the same config is resumed");
    v("name", name, "free text shown in reports");
    v("seed", seed, "seed of every random draw", config::Range{0, 9.2e18});
    v("device", device, "cpu, cuda, cuda:N, or auto (cuda where there is one)");
    v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096});
    v("deterministic", deterministic, "bit-identical results on one device; off may be faster on a GPU");
  }
  void validate(config::Problems& p) const;
};

}  // namespace eosin
