#pragma once
// Tiles cut from slides as they are needed: no store, no second copy of the data.
#include "data/slide_places.h"
#include "data/slide_pool.h"
#include "data/tile_source.h"

#include <string>
#include <vector>

namespace eosin::data {

/// Tile i is the i-th cell with tissue, slide after slide. A draw's mpp and, with tile.random, the place of the tile's centre inside the
/// cell are functions of (seed, position): every pass over the tiles sees other pixels, and any of them can be made again.
///
/// A tile keeps inside the slide where it fits. The square of level-0 pixels is read at the level that `eosin tile` would read and resized
/// (bicubic); its corner is moved to a whole pixel of that level, by which slides are read directly where that is verified.
/// With order `block` neighbours come together, and a slide that is open serves many tiles; with another each tile may open a slide.
/// Errors   as TileSource.
/// Checked  tests/data/test_slide_source.cpp: the grid's tiles equal those of a store; threads, resume and failures through the loader.
class SlideSource final : public TileSource {
 public:
  SlideSource(const SlideSourceConfig& config, std::vector<SlidePlaces> places, uint64_t seed);

  uint64_t n_tiles() const override { return firsts_.back(); }
  Size tile_size() const override { return {tile_.size_px, tile_.size_px}; }
  std::string digest() const override { return digest_; }
  SampleId id(const TileDraw& draw) const override;
  void read_image(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& out) const override;
  const std::string& file(uint64_t index) const override { return slides_.path(slide_of(index)); }
  /// By `slide`, `patient`, `site`, `stain`.
  std::vector<TileGroup> groups(const std::string& by) const override;

 private:
  struct Cut {
    size_t slide;
    Point corner;
    int level;
    int64_t read_size;
  };
  size_t slide_of(uint64_t index) const;
  Cut cut(const TileDraw& draw) const;
  double draw_mpp(double u) const;

  const OnlineTileConfig tile_;
  const std::vector<SlidePlaces> places_;
  const uint64_t seed_;
  std::vector<uint64_t> firsts_ = {0};  // of every slide, and the end
  std::string digest_;
  mutable SlidePool slides_;
};

}  // namespace eosin::data
