#pragma once
// Tiles of one store, or of several as one list.
#include "data/tile_source.h"
#include "data/tile_store.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// The stores one after another; they may differ in the size of their tiles, unless a device renders the views. Slides are numbered through all
/// stores.
///
/// Groups by `store` (named by path), `slide`, `patient`, `site`, `stain`, `scanner` are ranges that the manifests tell: no shard is opened, and
/// a group costs 16 bytes for each stretch of neighbours. Groups by a column of the tiles (`class`, `cluster`, ...) read that column of every
/// shard first: 16 bytes a stretch of equal neighbours, in the worst case a tile.
/// Errors   as TileStore.
/// Checked  tests/data/test_tile_order.cpp, tests/data/test_loader.cpp.
class StoreSource final : public TileSource {
 public:
  explicit StoreSource(const std::vector<std::string>& paths);
  explicit StoreSource(std::shared_ptr<const TileStore> store);

  uint64_t n_tiles() const override { return firsts_.back(); }
  Size tile_size() const override;
  bool has_one_size() const override;
  std::string digest() const override;
  SampleId id(const TileDraw& draw) const override;
  void read_image(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& out) const override;
  const std::string& file(uint64_t index) const override;
  void will_read(const std::vector<TileRange>& tiles) const override;
  std::vector<TileGroup> groups(const std::string& by) const override;

  /// The first store: what is measured on where no other is named.
  const std::shared_ptr<const TileStore>& first_store() const { return stores_.front(); }

 private:
  struct Place {
    size_t store;
    uint64_t index;  // in that store
  };
  void add(std::string name, std::shared_ptr<const TileStore> store);
  Place place(uint64_t index) const;

  std::vector<std::string> names_;
  std::vector<std::shared_ptr<const TileStore>> stores_;
  std::vector<uint64_t> firsts_ = {0};  // of every store, and the end
  std::vector<int32_t> slides_before_;  // slides of the stores before
};

}  // namespace eosin::data
