#include "data/tiff_reader.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/openslide_reader.h"
#include "data/tiff_file.h"
#include "data/tiff_regions.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace eosin::data {
namespace {

constexpr double kWholePixel = 1.0 / 1024;  // a place nearer than this to a pixel's corner begins there; OpenSlide resolves 1/256
constexpr int64_t kCheckedTiles = 3;        // of level 0; one of every other

class TiffReader final : public SlideReader {
 public:
  /// Without `openslide` every level must be one of the tiles'.
  TiffReader(SlideInfo info, TiffTiles tiles, std::unique_ptr<SlideReader> openslide)
      : openslide_(std::move(openslide)), info_(std::move(info)), regions_(std::move(tiles)) {
    for (const Size& size : info_.dimensions) {
      const auto found = std::find_if(regions_.levels().begin(), regions_.levels().end(), [&](const TiffLevel& l) { return l.size == size; });
      levels_.push_back(found == regions_.levels().end() ? nullptr : &*found);
      lacks_tiles_.push_back(levels_.back() && std::count(levels_.back()->bytes.begin(), levels_.back()->bytes.end(), 0u) > 0);
    }
  }

  const SlideInfo& info() const override { return info_; }
  /// Gives up the reader that this one was made with.
  std::unique_ptr<SlideReader> openslide() { return std::move(openslide_); }
  bool has_direct_level() const {
    return std::any_of(levels_.begin(), levels_.end(), [](const TiffLevel* l) { return l != nullptr; });
  }

  void read(Point level0, int level, Size size, uint8_t* rgb) const override {
    const auto at = place_on(level0, level);
    if (!at) return openslide_->read(level0, level, size, rgb);
    try {
      regions_.read(*levels_[static_cast<size_t>(level)], *at, size, rgb);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      fail(ErrorKind::Data, "[slide] '{}' is damaged at ({}, {}), level {}: {}", info_.path, level0.x, level0.y, level, e.what());
    }
  }

  bool has_jpeg_stream(Point level0, int level, Size size) const override { return stream_at(level0, level, size).has_value(); }
  std::vector<uint8_t> jpeg_stream(Point level0, int level, Size size) const override {
    const auto index = stream_at(level0, level, size);
    return index ? regions_.stream(*levels_[static_cast<size_t>(level)], *index) : std::vector<uint8_t>();
  }

  void limit_decoded(size_t bytes) override { regions_.limit_decoded(bytes); }

  /// Why this reader and OpenSlide disagree about the slide's pixels; nothing if they do not.
  std::optional<std::string> disagreement() const {
    if (info_.vendor == "aperio" && std::count(lacks_tiles_.begin(), lacks_tiles_.end(), true) > 0)
      return "it lacks tiles, in whose place Aperio's other levels are shown";
    for (size_t n = 0; n < levels_.size(); ++n) {
      if (!levels_[n]) continue;
      const TiffLevel& l = *levels_[n];
      for (const int64_t tile : some_tiles(l, n == 0 ? kCheckedTiles : 1)) {
        // A tile that begins on a whole pixel of level 0: the others are left to OpenSlide anyway.
        const Point on_level{tile % l.across() * l.tile.width, tile / l.across() * l.tile.height};
        const Point level0{std::llround(static_cast<double>(on_level.x) * info_.downsamples[n]),
                           std::llround(static_cast<double>(on_level.y) * info_.downsamples[n])};
        const int level = static_cast<int>(n);
        if (!is_whole(level0, level)) continue;
        try {
          if (read_region(*this, level0, level, l.tile).rgb != read_region(*openslide_, level0, level, l.tile).rgb)
            return fmt::format("tile {} of level {} has other pixels", tile, n);
        } catch (const Error& e) {
          return fmt::format("tile {} of level {}: {}", tile, n, e.what());
        }
      }
    }
    return std::nullopt;
  }

 private:
  struct Place {
    double x, y;  // pixels of the level
  };
  Place exact_place(Point level0, int level) const {
    const double downsample = info_.downsamples[static_cast<size_t>(level)];
    return {static_cast<double>(level0.x) / downsample, static_cast<double>(level0.y) / downsample};
  }
  bool is_whole(Point level0, int level) const {
    const Place p = exact_place(level0, level);
    return std::abs(p.x - std::round(p.x)) <= kWholePixel && std::abs(p.y - std::round(p.y)) <= kWholePixel;
  }

  /// The place in pixels of a level that is read directly, the nearest whole one where no OpenSlide is behind, or one that fails at tiles that
  /// are not there (3.4); nothing where OpenSlide must read.
  std::optional<Point> place_on(Point level0, int level) const {
    if (!levels_[static_cast<size_t>(level)]) return std::nullopt;
    if (openslide_ && !lacks_tiles_[static_cast<size_t>(level)] && !is_whole(level0, level)) return std::nullopt;
    const Place p = exact_place(level0, level);
    return Point{std::llround(p.x), std::llround(p.y)};
  }

  std::optional<int64_t> stream_at(Point level0, int level, Size size) const {
    const auto at = place_on(level0, level);
    return at && levels_[static_cast<size_t>(level)]->is_jpeg ? regions_.tile_at(*levels_[static_cast<size_t>(level)], *at, size) : std::nullopt;
  }

  /// `wanted` of the tiles that hold something, the first, the last and between them; a single one is the middle.
  static std::vector<int64_t> some_tiles(const TiffLevel& l, int64_t wanted) {
    std::vector<int64_t> filled, some;
    for (size_t i = 0; i < l.bytes.size(); ++i)
      if (l.bytes[i] > 0) filled.push_back(static_cast<int64_t>(i));
    const auto count = static_cast<int64_t>(filled.size());
    if (wanted == 1 && count > 0) return {filled[filled.size() / 2]};
    for (int64_t k = 0; k < std::min(wanted, count); ++k) some.push_back(filled[static_cast<size_t>(k * (count - 1) / (wanted - 1))]);
    return some;
  }

  std::unique_ptr<SlideReader> openslide_;
  SlideInfo info_;
  TiffRegions regions_;
  std::vector<const TiffLevel*> levels_;  // of every level; null: OpenSlide reads it
  std::vector<bool> lacks_tiles_;
};

}  // namespace

bool tiff_reader_accepts(const std::string& path) { return file_begins_as_tiff(path) && openslide_accepts(path); }

std::unique_ptr<SlideReader> make_tiff_reader(SlideInfo info, TiffTiles tiles) {
  return std::make_unique<TiffReader>(std::move(info), std::move(tiles), nullptr);
}

std::unique_ptr<SlideReader> open_tiff_slide(const std::string& path) {
  auto openslide = open_openslide(path);
  std::optional<TiffTiles> tiles;
  try {
    tiles.emplace(path);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data) throw;
    log::warn("[slide] '{}' is read through OpenSlide: {}", path, e.what());
    return openslide;
  }
  SlideInfo info = openslide->info();
  info.reader = "tiff";
  auto direct = std::make_unique<TiffReader>(std::move(info), std::move(*tiles), std::move(openslide));
  if (!direct->has_direct_level()) return direct->openslide();
  const auto disagreement = direct->disagreement();
  if (!disagreement) return direct;
  log::warn("[slide] '{}' is read through OpenSlide: {}", path, *disagreement);
  return direct->openslide();
}

}  // namespace eosin::data
