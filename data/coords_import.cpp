#include "data/coords_import.h"

#include "core/base/error.h"
#include "core/base/sha256.h"
#include "data/slide_coords.h"
#include "data/tiler.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr double kSameScale = 0.02;
constexpr int64_t kLargestTile = 8192;  // edge of a tile, and of the square that is read for it

/// Files of coordinates, and slides. One that lacks the other is a slide that fails.
struct Job {
  std::string path;                          // of the files
  std::map<std::string, std::string> files;  // by slide
  std::vector<SlideEntry> slides;            // one a file, without a path where the user named none; then those without a file

  const std::string& file_of(const std::string& slide) const {
    const auto at = files.find(slide);
    EOSIN_CHECK(at != files.end(), Data, "[{}] there is no file of coordinates of slide '{}' (need {}.h5 or {}_patches.h5)", path, slide, slide,
                slide);
    return at->second;
  }
};

Job find_job(const std::string& path, const ImportConfig& config) {
  EOSIN_CHECK(!config.slides.empty(), Config, "[store import] coordinates have no pixels; name the slides that they belong to with slides=");
  Job job;
  job.path = path;
  std::map<std::string, SlideEntry> named;
  for (SlideEntry& entry : list_slides(config.slides)) named.emplace(entry.id, std::move(entry));
  for (const auto& [id, file] : list_slide_coords(path)) {
    job.files[id] = file;
    SlideEntry& slide = job.slides.emplace_back();
    slide.id = id;
    if (const auto at = named.find(id); at != named.end()) slide = at->second;
  }
  for (const auto& [id, entry] : named)
    if (!job.files.contains(id)) job.slides.push_back(entry);
  return job;
}

/// The level, and the pixels of it that make a tile.
ReadPlan plan_read(const SlideInfo& info, const SlideCoords& coords) {
  if (coords.layout == CoordsLayout::kClam) return {static_cast<int>(coords.patch_level), coords.patch_size_level0, coords.patch_size};
  const double scale = static_cast<double>(coords.patch_size_level0) / static_cast<double>(coords.patch_size);
  ReadPlan plan = read_plan(info.downsamples, 1, scale, coords.patch_size);
  plan.tile_level0 = coords.patch_size_level0;
  return plan;
}

/// Says so where coordinates were made on another slide.
void check_slide(const SlideInfo& info, const SlideCoords& coords, const std::string& file) {
  const auto same = [&](const std::optional<Size>& said, Size is, const char* what) {
    EOSIN_CHECK(!said || *said == is, Data, "[{}] was made on another slide: {} has {} x {} pixels there, {} x {} here", file, what, said->width,
                said->height, is.width, is.height);
  };
  same(coords.level0, info.size(), "level 0");
  EOSIN_CHECK(coords.patch_level < static_cast<int64_t>(info.dimensions.size()), Data,
              "[{}] counts in pixels of level {}, but the slide has {} levels", file, coords.patch_level, info.dimensions.size());
  same(coords.level, info.dimensions[static_cast<size_t>(coords.patch_level)], "its patch level");
}

Grid grid_of(const SlideCoords& coords, Size slide, const std::string& file) {
  Grid grid;
  grid.tile_level0 = grid.step_level0 = coords.patch_size_level0;
  std::set<std::pair<int64_t, int64_t>> places;
  for (size_t i = 0; i < coords.tiles.size(); ++i) {
    const Point p = coords.tiles[i];
    const bool touches = p.x < slide.width && p.y < slide.height && p.x > -grid.tile_level0 && p.y > -grid.tile_level0;
    EOSIN_CHECK(touches, Data, "[{}] coords[{}] = ({}, {}) lies outside the slide of {} x {} pixels", file, i, p.x, p.y, slide.width, slide.height);
    // CLAM writes a place that lies in two tissue regions twice.
    if (places.emplace(p.x, p.y).second) grid.tiles.push_back({p.x, p.y, 1});
  }
  grid.candidates = static_cast<int64_t>(grid.tiles.size());
  return grid;
}

double mpp_of_tiles(const Scale& scale, int64_t level0, int64_t pixels) {
  return scale.mpp * static_cast<double>(level0) / static_cast<double>(pixels);
}

/// Coordinates can be cut without a scale; the store then says that it is unknown.
Scale scale_of(const SlideInfo& info, const SlideEntry& entry) {
  try {
    return resolve_scale(info, entry.mpp, std::nullopt);
  } catch (const Error& e) {
    Scale unknown;
    unknown.warnings = {e.what()};
    return unknown;
  }
}

/// Size and scale of the store's tiles, from the first file and slide that can be read.
struct TileScale {
  int64_t size_px = 0;
  double mpp = 0;
};

TileScale find_scale(const Job& job, const ImportConfig& config) {
  TileScale scale{config.tile_size_px, config.mpp};
  std::string reason;
  for (const SlideEntry& entry : job.slides) {
    if (scale.size_px > 0 && scale.mpp > 0) break;
    try {
      const SlideCoords coords = read_slide_coords(job.file_of(entry.id));
      if (scale.size_px == 0 && coords.patch_size <= kLargestTile) scale.size_px = coords.patch_size;
      if (scale.size_px > 0 && scale.mpp == 0 && !entry.path.empty())
        scale.mpp = mpp_of_tiles(scale_of(open_slide(entry.path)->info(), entry), coords.patch_size_level0, scale.size_px);
    } catch (const Error& e) {  // the slide's own failure, unless all have one
      if (reason.empty()) reason = e.what();
    }
  }
  EOSIN_CHECK(scale.size_px > 0, Data, "[store import] no file of coordinates has tiles of 1 to {} pixels; the first: {}", kLargestTile, reason);
  return scale;
}

/// All that is checked before a pixel is read.
SlidePlan plan_from_coords(const SlideEntry& entry, const std::string& file, const TileConfig& config, bool resize) {
  EOSIN_CHECK(!entry.path.empty(), Data, "[{}] there is no slide '{}' among those of slides=; name its file too, or give it that id in a cohort CSV",
              file, entry.id);
  const SlideCoords coords = read_slide_coords(file);
  EOSIN_CHECK(resize || coords.patch_size == config.tile.size_px, Data,
              "[{}] has tiles of {} pixels, the store's have {}; set resize: true, or tile_size_px", file, coords.patch_size, config.tile.size_px);
  SlidePlan plan;
  plan.slide = open_slide(entry.path);
  const SlideInfo& info = plan.slide->info();
  check_slide(info, coords, file);
  plan.scale = scale_of(info, entry);
  plan.read = plan_read(info, coords);
  EOSIN_CHECK(plan.read.read_size <= kLargestTile, Data, "[{}] has tiles of {} x {} pixels (need at most {})", file, plan.read.read_size,
              plan.read.read_size, kLargestTile);
  plan.grid = grid_of(coords, info.size(), file);
  if (plan.grid.tiles.empty()) plan.no_tiles = "no coordinates";
  const double mpp = mpp_of_tiles(plan.scale, plan.grid.tile_level0, config.tile.size_px);
  if (mpp > 0 && std::abs(mpp / config.tile.mpp - 1) > kSameScale)
    plan.scale.warnings.push_back(fmt::format("its tiles have {:.4f} um/px, the store's {:.4f}", mpp, config.tile.mpp));
  plan.copies = can_copy(plan, config);
  return plan;
}

TileConfig tile_config(const ImportConfig& config, const TileScale& scale) {
  TileConfig c;
  c.store = config.out;
  c.tile.size_px = scale.size_px;
  c.tile.mpp = scale.mpp;
  c.encoding.codec = config.encoding.codec == "raw" ? "raw" : "jpeg";
  c.encoding.quality = config.encoding.quality;
  c.encoding.subsampling = config.encoding.subsampling;
  c.encoding.shard_mib = config.shard_mib;
  c.max_failed_fraction = config.max_failed_fraction;
  c.run.threads = config.run.threads;
  return c;
}

}  // namespace

ImportResult import_coords(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  const Job job = find_job(path, config);
  const TileConfig tiles = tile_config(config, find_scale(job, config));
  TilingJob work;
  work.slides = job.slides;
  work.identity = sha256(tiling_identity(tiles, nullptr) + fs::absolute(path).string());
  work.plan = [&](const SlideEntry& entry) {
    SlidePlan plan = plan_from_coords(entry, job.file_of(entry.id), tiles, config.resize);
    plan.overview = read_overview(*plan.slide, kOverviewEdge);
    return plan;
  };
  const TilingResult r = tile_slides(tiles, work, [&](const TilingProgress& p) {
    if (progress) progress(p.slides_done, p.slides);
  });
  EOSIN_CHECK(!r.too_many_failed, Data, "[store import] {} of {} slides failed, more than max_failed_fraction allows; the first: {}", r.slides_failed,
              r.slides, r.failures.begin()->second);
  ImportResult result;
  result.tiles = r.tiles;
  result.slides = r.slides_ok + r.slides_no_tissue;
  result.encoded = r.tiles_made - r.tiles_copied;
  result.copied = r.tiles_copied;
  result.bad = r.slides_failed;
  result.failures = r.failures;
  result.stopped = r.stopped;
  result.shards = r.stores;
  return result;
}

ImportAmounts measure_coords(const std::string& path, const ImportConfig& config) {
  const Job job = find_job(path, config);
  const TileConfig tiles = tile_config(config, find_scale(job, config));
  ImportAmounts amounts{"coords", 0, static_cast<int64_t>(job.slides.size()), {}, {}};
  for (const SlideEntry& entry : job.slides) {
    try {
      amounts.pictures += plan_from_coords(entry, job.file_of(entry.id), tiles, config.resize).grid.candidates;
    } catch (const Error& e) {
      amounts.failures[entry.id] = e.what();
    }
  }
  return amounts;
}

}  // namespace eosin::data
