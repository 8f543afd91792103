#include "data/store_manifest.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/sha256.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace eosin::data {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr const char* kChecksum = "crc32c";

namespace {

/// Of everything else in the manifest: keys, values and their order.
uint32_t checksum_of(json manifest) {
  manifest.erase(kChecksum);
  const std::string text = manifest.dump();
  return crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

ShardEntry entry_of(const Shard& shard, const std::string& folder) {
  const ShardHeader& h = shard.header();
  return {fs::path(shard.path()).lexically_proximate(folder).string(), uuid_text(h.uuid), shard.file_bytes(), h.n_tiles, h.index_crc32c};
}

std::string digest_of(const std::vector<ShardEntry>& shards) {
  std::string lines;
  for (const auto& s : shards) lines += fmt::format("{} {} {:08x}\n", s.uuid, s.n_tiles, s.index_crc32c);
  return sha256(lines);
}

std::vector<ShardEntry> read_manifest(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<ShardEntry> shards;
  std::string digest;
  try {
    const json j = json::parse(text);
    EOSIN_CHECK(j.at("format") == "eosin-store" && j.at("format_version").at(0) == 1, Data, "[{}] is not a store manifest of version 1", path);
    if (j.contains(kChecksum)) EOSIN_CHECK(j.at(kChecksum) == checksum_of(j), Data, "[{}] is damaged: its checksum does not fit its text", path);
    for (const auto& s : j.at("shards")) shards.push_back({s.at("path"), s.at("uuid"), s.at("bytes"), s.at("n_tiles"), s.at("index_crc32c")});
    digest = j.at("digest");
  } catch (const json::exception& e) {
    fail(ErrorKind::Data, "[{}] is not a store manifest: {}", path, e.what());
  }
  EOSIN_CHECK(digest == digest_of(shards), Data, "[{}] is damaged: its digest does not fit its list of shards", path);
  return shards;
}

void write_manifest(const std::string& folder, const TileFormat& format, const std::vector<ShardEntry>& shards) {
  json list = json::array();
  uint64_t n_tiles = 0;
  for (const auto& s : shards) {
    list.push_back({{"path", s.path}, {"uuid", s.uuid}, {"bytes", s.bytes}, {"n_tiles", s.n_tiles}, {"index_crc32c", s.index_crc32c}});
    n_tiles += s.n_tiles;
  }
  json j = {{"format", "eosin-store"},
            {"format_version", {1, 0}},
            {"complete", true},
            {"codec", name(format.codec)},
            {"tile_height", format.tile_height},
            {"tile_width", format.tile_width},
            {"target_mpp", format.target_mpp},
            {"n_tiles", n_tiles},
            {"digest", digest_of(shards)},
            {"shards", list}};
  j[kChecksum] = checksum_of(j);
  write_file((fs::path(folder) / kManifestName).string(), j.dump(2) + "\n");
}

}  // namespace eosin::data
