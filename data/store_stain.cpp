#include "data/store_stain.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/stain_sample.h"

namespace eosin::data {

StoreStain::StoreStain(std::shared_ptr<const TileStore> store, std::shared_ptr<const StainReference> reference)
    : store_(std::move(store)), reference_(std::move(reference)), slides_(new Slide[store_->slides().size()]) {
  for (uint64_t i = 0; i < store_->n_tiles(); ++i) slides_[store_->tile(i).slide].tiles.push_back(i);
}

void StoreStain::estimate(Slide& slide, uint32_t row) const {
  const auto chosen = spread_indices(static_cast<int64_t>(slide.tiles.size()), reference_->per_tile() ? 0 : kStainTiles);
  PixelPool pool(static_cast<int64_t>(chosen.size()), kStainPixels);
  std::vector<uint8_t> buffer;
  Image tile;
  for (const int64_t i : chosen) {
    try {
      store_->read_image(slide.tiles[static_cast<size_t>(i)], buffer, tile);
    } catch (const Error&) {
      continue;  // whoever reads the tile for its own sake names it
    }
    pool.add(tile);
  }
  slide.stain = std::make_unique<const SlideStain>(reference_, pool.pixels());
  if (const auto fault = slide.stain->fault()) log::warn("[stain] slide '{}' keeps its colours: {}", store_->slides()[row].id, name(*fault));
}

void StoreStain::normalize(uint64_t index, Image& tile) const {
  const uint32_t row = store_->tile(index).slide;
  Slide& slide = slides_[row];
  std::call_once(slide.estimated, [&] { estimate(slide, row); });
  if (slide.stain->normalize(tile)) ++left_;
}

}  // namespace eosin::data
