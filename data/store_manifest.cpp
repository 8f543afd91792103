#include "data/store_manifest.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/sha256.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace eosin::data {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
namespace {

constexpr const char* kChecksum = "crc32c";

/// The texts of a slide that groups are made of.
struct ManifestText {
  const char* key;
  std::string SlideRow::*field;
};
constexpr ManifestText kManifestTexts[] = {
    {"id", &SlideRow::id}, {"patient", &SlideRow::patient}, {"site", &SlideRow::site}, {"stain", &SlideRow::stain}, {"scanner", &SlideRow::scanner}};

/// A list for each column; a text that no slide has is left out.
json columns_of(const std::vector<SlideRow>& slides) {
  json j = {{"first", json::array()}, {"count", json::array()}};
  for (const SlideRow& row : slides) j["first"].push_back(row.first), j["count"].push_back(row.count);
  for (const auto text : kManifestTexts) {
    if (std::all_of(slides.begin(), slides.end(), [&](const SlideRow& row) { return (row.*text.field).empty(); })) continue;
    for (const SlideRow& row : slides) j[text.key].push_back(row.*text.field);
  }
  return j;
}

std::vector<SlideRow> slides_from(json& j) {
  std::vector<SlideRow> slides(j.at("first").size());
  for (size_t i = 0; i < slides.size(); ++i) slides[i].first = j["first"][i], slides[i].count = j.at("count").at(i);
  for (const auto text : kManifestTexts) {
    if (!j.contains(text.key)) continue;
    for (size_t i = 0; i < slides.size(); ++i) slides[i].*text.field = std::move(j[text.key].at(i).get_ref<std::string&>());
  }
  return slides;
}

json to_json(const ShardEntry& s) {
  json j = {{"path", s.path}, {"uuid", s.uuid}, {"bytes", s.bytes}, {"n_tiles", s.n_tiles}, {"index_crc32c", s.index_crc32c}};
  if (!s.slides) return j;
  j["order"] = s.ordered_by_slide ? "slide" : "shuffled";
  j["slides"] = columns_of(*s.slides);
  return j;
}

/// Takes the texts out of `j`.
ShardEntry shard_from(json& j) {
  ShardEntry s{j.at("path"), j.at("uuid"), j.at("bytes"), j.at("n_tiles"), j.at("index_crc32c")};
  if (!j.contains("slides")) return s;
  s.ordered_by_slide = j.at("order") == "slide";
  s.slides = slides_from(j.at("slides"));
  return s;
}

/// Checksum of everything in the manifest but itself: keys, values and their order, as compact JSON. `rest` has an empty list of shards in
/// place of `shards`, the compact texts of all of them.
uint32_t checksum_of(json rest, const std::string& shards) {
  static const std::string kEmpty = "\"shards\":[]";
  rest.erase(kChecksum);
  std::string text = rest.dump();
  if (const size_t at = text.find(kEmpty); at != std::string::npos) text.insert(at + kEmpty.size() - 1, shards);
  return crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

/// What the file says, taken shard by shard: thousands of them would take ten times their size as one tree.
struct Parsed {
  json rest;  // with an empty list of shards
  std::vector<ShardEntry> shards;
  std::string shard_texts;  // compact
};

Parsed parse(const std::string& text) {
  Parsed m;
  std::string key;
  m.rest = json::parse(text, [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth == 1 && event == json::parse_event_t::key) key = parsed.get<std::string>();
    if (depth != 2 || event != json::parse_event_t::object_end || key != "shards") return true;
    m.shard_texts += (m.shard_texts.empty() ? "" : ",") + parsed.dump();
    m.shards.push_back(shard_from(parsed));
    return false;
  });
  return m;
}

TileFormat format_from(const json& j) {
  TileFormat format;
  format.codec = j.at("codec") == name(Codec::kRaw) ? Codec::kRaw : Codec::kJpeg;
  format.tile_height = j.at("tile_height"), format.tile_width = j.at("tile_width");
  format.target_mpp = j.at("target_mpp");
  return format;
}

StoreManifest read_checked(const std::string& path) {
  StoreManifest manifest;
  std::string digest;
  try {
    Parsed m = parse(read_file(path));
    const json& j = m.rest;
    EOSIN_CHECK(j.at("format") == "eosin-store" && j.at("format_version").at(0) == 1, Data, "[{}] is not a store manifest of version 1", path);
    if (j.contains(kChecksum))
      EOSIN_CHECK(j.at(kChecksum) == checksum_of(j, m.shard_texts), Data, "[{}] is damaged: its checksum does not fit its text", path);
    EOSIN_CHECK(j.at("shards").empty(), Data, "[{}] is not a store manifest: its list of shards holds something else", path);
    manifest = {format_from(j), std::move(m.shards)};
    digest = j.at("digest");
  } catch (const json::exception& e) {
    fail(ErrorKind::Data, "[{}] is not a store manifest: {}", path, e.what());
  }
  EOSIN_CHECK(digest == digest_of(manifest.shards), Data, "[{}] is damaged: its digest does not fit its list of shards", path);
  return manifest;
}

}  // namespace

ShardEntry entry_of(const Shard& shard, const std::string& folder) {
  const ShardHeader& h = shard.header();
  std::vector<SlideRow> slides;
  for (const SlideRow& row : shard.slides()) slides.push_back(manifest_row(row));
  return {fs::path(shard.path()).lexically_proximate(folder).string(),
          uuid_text(h.uuid),
          shard.file_bytes(),
          h.n_tiles,
          h.index_crc32c,
          h.ordered_by_slide,
          std::move(slides)};
}

SlideRow manifest_row(const SlideRow& row) {
  SlideRow kept;
  for (const auto text : kManifestTexts) kept.*text.field = row.*text.field;
  kept.first = row.first, kept.count = row.count;
  return kept;
}

std::string digest_of(const std::vector<ShardEntry>& shards) {
  std::string lines;
  for (const auto& s : shards) lines += fmt::format("{} {} {:08x}\n", s.uuid, s.n_tiles, s.index_crc32c);
  return sha256(lines);
}

StoreManifest read_manifest(const std::string& path) {
  StoreManifest manifest = read_checked(path);
  ::malloc_trim(0);  // the text of thousands of shards is many times what is kept of them
  return manifest;
}

/// One line a shard: thousands of them stay readable by eye.
void write_manifest(const std::string& folder, const TileFormat& format, const std::vector<ShardEntry>& shards) {
  std::string compact, lines;
  uint64_t n_tiles = 0;
  for (const auto& s : shards) {
    const std::string text = to_json(s).dump();
    compact += (compact.empty() ? "" : ",") + text;
    lines += (lines.empty() ? "\n    " : ",\n    ") + text;
    n_tiles += s.n_tiles;
  }
  json j = {{"format", "eosin-store"},
            {"format_version", {1, 1}},
            {"complete", true},
            {"codec", name(format.codec)},
            {"tile_height", format.tile_height},
            {"tile_width", format.tile_width},
            {"target_mpp", format.target_mpp},
            {"n_tiles", n_tiles},
            {"digest", digest_of(shards)},
            {"shards", json::array()}};
  j[kChecksum] = checksum_of(j, compact);
  std::string text = j.dump(2);
  text.insert(text.find("\"shards\": []") + std::strlen("\"shards\": ["), lines + "\n  ");
  write_file((fs::path(folder) / kManifestName).string(), text + "\n");
}

}  // namespace eosin::data
