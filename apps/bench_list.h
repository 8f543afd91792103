#pragma once
// How long a run takes to start on a list of very many tiles, and what it holds in memory.
#include "core/base/config.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>

namespace eosin::apps {

struct ListBench {
  int64_t tiles = 1'000'000'000, shards = 3000, slides_a_shard = 20;
  int64_t resume_at = 700'000'000;
  int64_t batch_size = 16, threads = 0, repeats = 5, seed = 0;
  void visit(config::Visitor& v) {
    v("tiles", tiles, "tiles of the list", config::Range{1e3, 1e12});
    v("shards", shards, "shards that they are spread over", config::Range{1, 1e5});
    v("slides_a_shard", slides_a_shard, "slides of each shard", config::Range{1, 1e4});
    v("resume_at", resume_at, "position that a resumed run goes on from", config::Range{0, 1e15});
    v("batch_size", batch_size, "tiles a batch; each lies in another shard as a rule", config::Range{1, 4096});
    v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096});
    v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
    v("seed", seed, "seed of the order", config::Range{0, 9.2e18});
  }
  void validate(config::Problems& p) const;
};

/// Makes the list in a temporary folder: the shards that the measured batches touch are whole (an index of full size, which is checked when the
/// shard is opened; records where they are read, empty ones elsewhere), the others are files of the right size that hold nothing. Then, for
/// orders `uniform` and `quota` (by slide, all alike), times opening, the first batch, and a start that goes on at resume_at, each from nothing.
/// A row has seconds (lowest, median, highest) and the process's resident memory afterwards.
nlohmann::ordered_json bench_list(const ListBench& config);

}  // namespace eosin::apps
