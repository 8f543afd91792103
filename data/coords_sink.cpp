#include "data/coords_sink.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/tensor/hdf5.h"

#include <cmath>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

/// Says so where the program that the file is for will read other pixels than the tile's: TRIDENT counts in whole magnifications, CLAM in
/// pixels of a level.
void warn_of_other_pixels(const SlideCoords& c, int64_t tile_px, double mpp) {
  if (c.layout == CoordsLayout::kClam && c.patch_size != tile_px)
    log::warn("[tile] {}: CLAM will read {} pixels of level {} a tile, not {}; a tile.mpp of {:.4f} fits that level", c.name, c.patch_size,
              c.patch_level, tile_px, mpp * c.downsample_x);
  if (c.layout == CoordsLayout::kClam || c.target_magnification == 0) return;
  const int64_t level0 = c.patch_size * c.level0_magnification / c.target_magnification;
  if (level0 != c.patch_size_level0)
    log::warn("[tile] {}: TRIDENT will read {} level-0 pixels a tile ({}x to {}x), the tiles have {}; a tile.mpp of {:.4f} fits", c.name, level0,
              c.level0_magnification, c.target_magnification, c.patch_size_level0,
              mpp * static_cast<double>(c.level0_magnification) / static_cast<double>(c.target_magnification));
}

}  // namespace

CoordsSink::CoordsSink(const TileConfig& config, const TilingJob& job)
    : layout_(config.output == "clam" ? CoordsLayout::kClam : CoordsLayout::kTrident),
      folder_(config.store),
      patches_((fs::path(config.store) / "patches").string()),
      identity_(job.identity),
      tile_px_(config.tile.size_px),
      overlap_px_(config.tile.overlap_px),
      mpp_(config.tile.mpp),
      slides_(job.slides) {
  std::error_code code;
  fs::create_directories(patches_, code);
  EOSIN_CHECK(!code, Io, "[{}] cannot make the folder: {}", patches_, code.message());
  lock_.emplace((fs::path(folder_) / "store.lock").string(), folder_);
}

std::string CoordsSink::file_path(const std::string& slide_id) const {
  return (fs::path(patches_) / (slide_id + (layout_ == CoordsLayout::kTrident ? "_patches.h5" : ".h5"))).string();
}

std::string CoordsSink::part_path(const std::string& slide_id) const { return (fs::path(patches_) / (slide_id + ".part")).string(); }

bool CoordsSink::is_complete(const std::string& slide_id) const {
  const std::string path = file_path(slide_id);
  if (!fs::exists(path)) return false;
  const auto identity = h5::File::open(path).text("/", "identity");
  EOSIN_CHECK(identity == identity_, Config, "[{}] was written with other settings; give store another folder, or remove this one", path);
  return true;
}

SlideRow CoordsSink::complete_slide(const std::string& slide_id) const {
  SlideRow row;
  row.id = slide_id;
  row.count = h5::File::open(file_path(slide_id)).info("coords").shape.at(0);
  return row;
}

SlidePart CoordsSink::begin(const std::string& slide_id) { return {part_path(slide_id), slide_id, identity_}; }

void CoordsSink::finish(SlidePart part, const SlideRow& row, const SlidePlan& plan) {
  part.finish(row, {});
  const SlideInfo& info = plan.slide->info();
  const Size level = info.dimensions[static_cast<size_t>(plan.read.level)];
  const bool clam = layout_ == CoordsLayout::kClam;
  SlideCoords coords;
  coords.layout = layout_;
  coords.name = row.id;
  coords.folder = clam ? patches_ : folder_;
  for (const TileRow& tile : scan_part(part_path(row.id), false).tiles) coords.tiles.push_back({tile.x, tile.y});
  coords.patch_size = clam ? plan.read.read_size : tile_px_;
  coords.patch_size_level0 = plan.read.tile_level0;
  coords.overlap = overlap_px_;
  coords.level0_magnification = info.objective ? std::lround(*info.objective) : magnification_of(plan.scale.mpp);
  coords.target_magnification = magnification_of(mpp_);
  coords.level0 = info.size();
  coords.patch_level = plan.read.level;
  coords.downsample_x = static_cast<double>(info.size().width) / static_cast<double>(level.width);
  coords.downsample_y = static_cast<double>(info.size().height) / static_cast<double>(level.height);
  coords.level = level;
  coords.identity = identity_;
  warn_of_other_pixels(coords, tile_px_, plan.scale.mpp);
  write_slide_coords(file_path(row.id), coords);
  part.abandon();
}

void CoordsSink::skip(const std::string& slide_id) { fs::remove(part_path(slide_id)); }

/// What CLAM's extract_features_fp reads: the slides' file names. It cannot pass over a slide without tiles.
void CoordsSink::write_process_list() const {
  std::string table = csv_line({"slide_id", "process", "status"});
  for (const SlideEntry& slide : slides_)
    if (is_complete(slide.id) && complete_slide(slide.id).count > 0)
      table += csv_line({slide.id + fs::path(slide.path).extension().string(), "0", "processed"});
  write_file((fs::path(folder_) / "process_list_autogen.csv").string(), table);
}

std::vector<std::string> CoordsSink::close() {
  if (layout_ == CoordsLayout::kClam) write_process_list();
  lock_.reset();
  return {patches_};
}

}  // namespace eosin::data
