#pragma once
// The full check of a store: every record against its checksum.
#include "data/tile_store.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

struct DamagedTile {
  uint64_t index = 0;
  std::string reason;  // names shard, tile, slide and coordinates
};

/// Every tile whose stored bytes do not fit their checksum, or, with `decode`, cannot be decoded to the store's size; in order.
/// Uses `threads` threads (0: one a core).
/// Errors   Io if a record cannot be read at all.
/// Checked  golden data.store_verify; tests/data/test_store.cpp: flipped bits in 1 % of the records are all found.
std::vector<DamagedTile> verify_store(const TileStore& store, bool decode, int threads = 0);

/// Why each optional column of a shard that does not fit its checksum, or cannot be read, is damaged; in order of shards.
/// Checked  tests/data/test_store.cpp.
std::vector<std::string> verify_columns(const TileStore& store);

}  // namespace eosin::data
