#include "data/slide_places.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/parallel.h"
#include "core/base/sha256.h"
#include "data/slide_plan.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

namespace eosin::data {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
namespace {

/// The grid of the finest mpp, as `eosin tile` would lay it.
TileConfig tile_config(const SlideSourceConfig& c) {
  TileConfig t;
  t.tile.size_px = c.tile.size_px;
  t.tile.mpp = c.tile.finest();
  t.tile.min_tissue = c.tile.min_tissue;
  t.tile.allow_upsample = c.tile.allow_upsample;
  t.tissue = c.tissue;
  t.encoding.copy = false;
  t.assume_mpp = c.assume_mpp;
  return t;
}

/// What a slide's places depend on.
std::string identity_of(const SlideEntry& entry, const TileConfig& config) {
  return sha256(
      fmt::format("{}\n{}\n{}\n{}", tiling_identity(config, nullptr), entry.id, entry.path, entry.mpp ? fmt::format("{}", *entry.mpp) : ""));
}

SlidePlaces look_at(const SlideEntry& entry, const TileConfig& config) {
  SlidePlaces places;
  places.entry = entry;
  try {
    const SlidePlan plan = plan_slide(entry, config);
    places.size = plan.slide->info().size();
    places.downsamples = plan.slide->info().downsamples;
    places.mpp = plan.scale.mpp;
    places.reason = plan.no_tiles;
    places.step = plan.grid.step_level0;
    if (places.step == 0) return places;
    places.columns = places.size.width / places.step + 1;
    for (const GridTile& t : plan.grid.tiles) places.cells.add({static_cast<uint64_t>(t.y / places.step * places.columns + t.x / places.step), 1});
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Io) throw;
    places.reason = e.what();
    places.failed = true;
  }
  return places;
}

json to_json(const SlidePlaces& p, const std::string& identity) {
  json j = {{"identity", identity}, {"slide", p.entry.id}};
  if (!p.reason.empty()) j["reason"] = p.reason;
  j["failed"] = p.failed;
  if (p.failed) return j;
  j["width"] = p.size.width, j["height"] = p.size.height, j["downsamples"] = p.downsamples;
  j["mpp"] = p.mpp, j["step"] = p.step, j["columns"] = p.columns;
  j["cells"] = json::array();  // first, count, first, count, ...
  for (size_t k = 0; k < p.cells.n_ranges(); ++k) j["cells"].push_back(p.cells.range(k).first), j["cells"].push_back(p.cells.range(k).count);
  return j;
}

SlidePlaces from_json(const json& j, const SlideEntry& entry) {
  SlidePlaces p;
  p.entry = entry;
  p.reason = j.value("reason", "");
  p.failed = j.at("failed");
  if (p.failed) return p;
  p.size = {j.at("width"), j.at("height")};
  p.downsamples = j.at("downsamples").get<std::vector<double>>();
  p.mpp = j.at("mpp"), p.step = j.at("step"), p.columns = j.at("columns");
  const auto numbers = j.at("cells").get<std::vector<uint64_t>>();
  for (size_t k = 0; k + 1 < numbers.size(); k += 2) p.cells.add({numbers[k], numbers[k + 1]});
  return p;
}

/// What an earlier run found with the same keys.
std::optional<SlidePlaces> remembered(const std::string& path, const std::string& identity, const SlideEntry& entry) {
  if (!fs::exists(path)) return std::nullopt;
  try {
    const json j = json::parse(read_file(path));
    if (j.at("identity") == identity) return from_json(j, entry);
  } catch (const json::exception& e) {
    log::warn("[slides] {} is not readable and is made again: {}", path, e.what());
  }
  return std::nullopt;
}

SlidePlaces places_of(const SlideEntry& entry, const TileConfig& config, const std::string& cache) {
  const std::string path = (fs::path(cache) / (entry.id + ".json")).string(), identity = identity_of(entry, config);
  if (auto before = remembered(path, identity, entry)) return *std::move(before);
  SlidePlaces places = look_at(entry, config);
  if (!places.reason.empty()) log::warn("[slides] '{}' gives no tiles: {}", entry.id, places.reason);
  write_file(path, to_json(places, identity).dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  return places;
}

}  // namespace

void OnlineTileConfig::validate(config::Problems& p) const {
  if (mpp_weights.empty()) return;
  if (mpp_weights.size() != mpp.size()) p.add("mpp_weights", fmt::format("need one for each mpp (got {}, need {})", mpp_weights.size(), mpp.size()));
  if (std::all_of(mpp_weights.begin(), mpp_weights.end(), [](double w) { return w == 0; })) p.add("mpp_weights", "all are 0");
}

double OnlineTileConfig::finest() const { return *std::min_element(mpp.begin(), mpp.end()); }

std::vector<SlidePlaces> find_places(const SlideSourceConfig& config, const std::string& cache, int64_t threads,
                                     const std::function<void(int64_t done, int64_t slides)>& progress) {
  const auto entries = list_slides(config.slides);
  const TileConfig tiling = tile_config(config);
  fs::create_directories(cache);
  std::vector<SlidePlaces> places(entries.size());
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(entries.size(), threads, [&](size_t i) {
    places[i] = places_of(entries[i], tiling, cache);
    const std::lock_guard lock(mutex);
    if (progress) progress(++done, static_cast<int64_t>(entries.size()));
  });

  const auto failed = std::count_if(places.begin(), places.end(), [](const SlidePlaces& p) { return p.failed; });
  const auto last = std::find_if(places.rbegin(), places.rend(), [](const SlidePlaces& p) { return p.failed; });
  EOSIN_CHECK(static_cast<double>(failed) <= config.max_failed_fraction * static_cast<double>(places.size()), Data,
              "[slides] too many slides cannot be used (got {} of {}, need at most a share of {}), the last: {}", failed, places.size(),
              config.max_failed_fraction, last->reason);
  return places;
}

}  // namespace eosin::data
