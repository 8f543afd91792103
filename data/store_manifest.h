#pragma once
// store.json: which shards make a store. It is written last; a store without it is not finished.
#include "data/shard.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

inline constexpr const char* kManifestName = "store.json";

struct ShardEntry {
  std::string path;  // relative to the manifest's folder
  std::string uuid;  // as uuid_text()
  uint64_t bytes = 0, n_tiles = 0;
  uint32_t index_crc32c = 0;
  bool ordered_by_slide = true;
  /// Of the shard's slides: id, patient, site, stain, scanner, first and count, so that groups of tiles are known before a shard is opened.
  /// Nothing in a manifest of version 1.0.
  std::optional<std::vector<SlideRow>> slides = {};
};
ShardEntry entry_of(const Shard& shard, const std::string& folder);

/// What the manifest repeats of a slide's row, and nothing else.
SlideRow manifest_row(const SlideRow& row);

/// Identity of the content: SHA-256 (hex) of the shards' uuids, numbers of tiles and index checksums, in order.
std::string digest_of(const std::vector<ShardEntry>& shards);

struct StoreManifest {
  TileFormat format;  // codec, size and scale of the tiles
  std::vector<ShardEntry> shards;
};

/// Reads store.json.
/// Errors   Io if it cannot be read; Data if it is not a manifest of version 1, its checksum does not fit its text (where it has one), or its
///          digest does not fit its shards.
StoreManifest read_manifest(const std::string& path);
/// Writes <folder>/store.json atomically, with the digest.
void write_manifest(const std::string& folder, const TileFormat& format, const std::vector<ShardEntry>& shards);

}  // namespace eosin::data
