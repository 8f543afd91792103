#pragma once
// Joins shards into one by copying bytes: nothing is decoded, and the checksums travel unchanged.
#include "data/shard_writer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

/// Writes the shards' tiles, in the order given, as one shard at `out`. The slide table is joined by id (the first appearance keeps
/// its row); optional columns that every shard has are kept. With `shuffle_seed` position p holds tile Permutation(n, seed, 0)(p),
/// so that reading the shard in order is reading at random.
///
/// Errors   Data: the same shard (uuid) twice, one slide id with two sha256 or scales, shards of another tile size or codec; Io.
/// Checked  golden data.store_merge, tests/data/test_store_merge.cpp.
ShardHeader merge_shards(const std::vector<std::string>& shards, const std::string& out, std::optional<uint64_t> shuffle_seed = std::nullopt);

}  // namespace eosin::data
