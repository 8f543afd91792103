#include "data/slide_plan.h"

#include "core/base/error.h"
#include "data/resize.h"
#include "data/stain_sample.h"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>

namespace eosin::data {
namespace {

constexpr double kUpsampleSlack = 0.95, kSameScale = 0.01;
const cv::Scalar kOutline(0, 160, 0), kTile(30, 60, 220);

std::string why_empty(const SlidePlan& plan) {
  if (!plan.grid.tiles.empty()) return {};
  if (plan.grid.candidates == 0) return "slide smaller than one tile";
  return plan.tissue.mask.any() ? "no tile reaches min_tissue" : "no tissue found";
}

/// Whether tiles are pixels of a level as they are.
bool is_scale_of_level(const SlidePlan& plan, double mpp) {
  const double level = plan.scale.mpp * plan.slide->info().downsamples[static_cast<size_t>(plan.read.level)];
  return std::abs(level / mpp - 1) <= kSameScale;
}

/// A tile that cannot be read gives no pixels here; it is named when it is cut.
std::shared_ptr<const SlideStain> estimate_stain(const SlidePlan& plan, int64_t size_px, std::shared_ptr<const StainReference> reference) {
  const auto chosen = spread_indices(static_cast<int64_t>(plan.grid.tiles.size()), reference->per_tile() ? 0 : kStainTiles);
  PixelPool pool(static_cast<int64_t>(chosen.size()), kStainPixels);
  Image square, scaled;
  for (const int64_t i : chosen) {
    try {
      read_square(plan, plan.grid.tiles[static_cast<size_t>(i)], square);
      pool.add(scale_square(square, size_px, scaled));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
    }
  }
  return std::make_shared<const SlideStain>(std::move(reference), pool.pixels());
}

/// A level-0 length on the overview.
int scaled(int64_t level0, int64_t full, int64_t overview) {
  return static_cast<int>(std::lround(static_cast<double>(level0) * static_cast<double>(overview) / static_cast<double>(full)));
}

void draw_outline(const Mask& mask, cv::Mat& picture) {
  cv::Mat cells(static_cast<int>(mask.height), static_cast<int>(mask.width), CV_8UC1, const_cast<uint8_t*>(mask.cells.data())), resized;
  cv::resize(cells, resized, picture.size(), 0, 0, cv::INTER_NEAREST);
  std::vector<std::vector<cv::Point>> borders;
  cv::findContours(resized, borders, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE);
  cv::drawContours(picture, borders, -1, kOutline, 2);
}

}  // namespace

void check_resolution(const SlideEntry& entry, double mpp, const TileGridConfig& tile) {
  EOSIN_CHECK(tile.allow_upsample || tile.mpp >= kUpsampleSlack * mpp, Data,
              "[tile] slide '{}' is too coarse (got {} um/px, need {} or finer); choose a larger tile.mpp, or tile.allow_upsample=true", entry.id,
              mpp, tile.mpp);
}

SlidePlan plan_slide(const SlideEntry& entry, const TileConfig& config, std::shared_ptr<const StainReference> stain) {
  SlidePlan plan;
  plan.slide = open_slide(entry.path);
  const SlideInfo& info = plan.slide->info();
  plan.scale = resolve_scale(info, entry.mpp, config.assume_mpp);
  check_resolution(entry, plan.scale.mpp, config.tile);
  plan.read = read_plan(info.downsamples, plan.scale.mpp, config.tile.mpp, config.tile.size_px);
  plan.overview = read_overview(*plan.slide, kOverviewEdge);
  if (!config.tissue.allow_dark_background && has_dark_background(plan.overview)) {
    plan.no_tiles = "no H&E tissue: dark background";
    return plan;
  }
  plan.tissue = segment_tissue(config.tissue, {*plan.slide, entry.id, plan.scale.mpp});
  const TileGridConfig& tile = config.tile;
  plan.grid = lay_grid(config.grid, {info.size(), plan.tissue, grid_spec(tile, plan.scale.mpp)});
  plan.no_tiles = why_empty(plan);
  if (stain && config.keeps_pixels() && plan.no_tiles.empty()) plan.stain = estimate_stain(plan, tile.size_px, std::move(stain));
  plan.copies = is_scale_of_level(plan, tile.mpp) && can_copy(plan, config);
  return plan;
}

void read_square(const SlidePlan& plan, const GridTile& at, Image& out) {
  read_region(*plan.slide, {at.x, at.y}, plan.read.level, {plan.read.read_size, plan.read.read_size}, out);
}

Image& scale_square(Image& square, int64_t size_px, Image& scaled) {
  if (square.width == size_px) return square;
  return scaled = resize(square, size_px, size_px, Filter::kBicubic);
}

bool can_copy(const SlidePlan& plan, const TileConfig& config) {
  const bool wanted = !plan.stain && config.keeps_pixels() && config.encoding.codec == "jpeg" && config.encoding.copy;
  if (!wanted || plan.grid.tiles.empty() || plan.read.read_size != config.tile.size_px) return false;
  const Size size{config.tile.size_px, config.tile.size_px};
  return std::all_of(plan.grid.tiles.begin(), plan.grid.tiles.end(), [&](const GridTile& at) {
    return plan.slide->has_jpeg_stream({at.x, at.y}, plan.read.level, size);
  });
}

Image draw_plan(const SlidePlan& plan) {
  Image drawn = plan.overview;
  cv::Mat picture(static_cast<int>(drawn.height), static_cast<int>(drawn.width), CV_8UC3, drawn.rgb.data());
  const Size full = plan.slide->info().size();
  for (const GridTile& t : plan.grid.tiles) {
    const cv::Point corner(scaled(t.x, full.width, drawn.width), scaled(t.y, full.height, drawn.height));
    const cv::Point opposite(scaled(t.x + plan.grid.tile_level0, full.width, drawn.width),
                             scaled(t.y + plan.grid.tile_level0, full.height, drawn.height));
    cv::rectangle(picture, corner, opposite, kTile, 1);
  }
  if (plan.tissue.mask.any()) draw_outline(plan.tissue.mask, picture);
  return drawn;
}

}  // namespace eosin::data
