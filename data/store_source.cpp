#include "data/store_source.h"

#include "core/base/error.h"
#include "core/base/sha256.h"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace eosin::data {
namespace {

struct SlideText {
  const char* name;
  std::string SlideRow::*field;
};
constexpr SlideText kSlideTexts[] = {{"slide", &SlideRow::id},
                                     {"patient", &SlideRow::patient},
                                     {"site", &SlideRow::site},
                                     {"stain", &SlideRow::stain},
                                     {"scanner", &SlideRow::scanner}};

Size size_of(const TileStore& store) { return {store.format().tile_width, store.format().tile_height}; }

void add_slides(const TileStore& store, uint64_t base, std::string SlideRow::*field, TileGroups& groups) {
  for (size_t k = 0; k < store.n_shards(); ++k) {
    const uint64_t first = base + store.shard_first(k);
    const auto& slides = store.shard_slides(k);
    if (store.shard_ordered_by_slide(k)) {
      for (const SlideRow& s : slides) groups.add(s.*field, {first + s.first, s.count});
    } else {
      const Shard& shard = store.shard(k);
      for (uint64_t i = 0; i < shard.n_tiles(); ++i) groups.add(slides[shard.tile(i).slide].*field, {first + i, 1});
    }
  }
}

void add_column(const TileStore& store, uint64_t base, const std::string& name, TileGroups& groups) {
  for (size_t k = 0; k < store.n_shards(); ++k) {
    const auto texts = store.shard(k).column(name);
    for (size_t i = 0; i < texts.size(); ++i) groups.add(texts[i], {base + store.shard_first(k) + i, 1});
  }
}

}  // namespace

Size StoreSource::tile_size() const {
  Size least = size_of(*first_store());
  for (const auto& store : stores_) least = {std::min(least.width, size_of(*store).width), std::min(least.height, size_of(*store).height)};
  return least;
}

bool StoreSource::has_one_size() const {
  return std::all_of(stores_.begin(), stores_.end(), [&](const auto& store) { return size_of(*store) == size_of(*first_store()); });
}

StoreSource::StoreSource(const std::vector<std::string>& paths) {
  EOSIN_CHECK(!paths.empty(), Config, "[data.store] no tile store is given");
  for (const std::string& path : paths) add(path, std::make_shared<const TileStore>(path));
}

StoreSource::StoreSource(std::shared_ptr<const TileStore> store) { add("store", std::move(store)); }

void StoreSource::add(std::string name, std::shared_ptr<const TileStore> store) {
  for (size_t s = 0; s < stores_.size(); ++s)
    EOSIN_CHECK(stores_[s]->digest() != store->digest(), Config, "[data.store] {} and {} hold the same tiles", names_[s], name);
  slides_before_.push_back(stores_.empty() ? 0 : slides_before_.back() + static_cast<int32_t>(stores_.back()->n_slides()));
  firsts_.push_back(firsts_.back() + store->n_tiles());
  names_.push_back(std::move(name));
  stores_.push_back(std::move(store));
}

std::string StoreSource::digest() const {
  if (stores_.size() == 1) return stores_.front()->digest();
  std::string lines;
  for (const auto& store : stores_) lines += store->digest() + "\n";
  return sha256(lines);
}

StoreSource::Place StoreSource::place(uint64_t index) const {
  EOSIN_ASSERT(index < n_tiles());
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), index);
  const auto s = static_cast<size_t>(after - firsts_.begin()) - 1;
  return {s, index - firsts_[s]};
}

SampleId StoreSource::id(const TileDraw& draw) const {
  const Place p = place(draw.index);
  const TileRow row = stores_[p.store]->tile(p.index);
  return {slides_before_[p.store] + static_cast<int32_t>(row.slide), row.x, row.y};
}

void StoreSource::read_image(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& out) const {
  const Place p = place(draw.index);
  stores_[p.store]->read_image(p.index, buffer, out);
}

const std::string& StoreSource::file(uint64_t index) const {
  const Place p = place(index);
  return stores_[p.store]->file(p.index);
}

void StoreSource::will_read(const std::vector<TileRange>& tiles) const {
  std::vector<std::vector<TileRange>> of_store(stores_.size());
  for (TileRange range : tiles)
    while (range.count > 0) {
      const Place p = place(range.first);
      const uint64_t n = std::min(range.count, stores_[p.store]->n_tiles() - p.index);
      of_store[p.store].push_back({p.index, n});
      range.first += n, range.count -= n;
    }
  for (size_t s = 0; s < stores_.size(); ++s) stores_[s]->will_read(std::move(of_store[s]));
}

std::vector<TileGroup> StoreSource::groups(const std::string& by) const {
  const auto text = std::find_if(std::begin(kSlideTexts), std::end(kSlideTexts), [&](const SlideText& t) { return by == t.name; });
  TileGroups gatherer;
  for (size_t s = 0; s < stores_.size(); ++s) {
    const TileStore& store = *stores_[s];
    if (by == "store") {
      gatherer.add(names_[s], {firsts_[s], store.n_tiles()});
    } else if (text != std::end(kSlideTexts)) {
      add_slides(store, firsts_[s], text->field, gatherer);
    } else {
      EOSIN_CHECK(store.has_column(by), Config,
                  "[data] {} has no column '{}' that groups its tiles; need slide, patient, site, stain, scanner, store, or one of its columns ({})",
                  names_[s], by, store.columns().empty() ? "none" : fmt::format("{}", fmt::join(store.columns(), ", ")));
      add_column(store, firsts_[s], by, gatherer);
    }
  }
  return gatherer.take();
}

}  // namespace eosin::data
