#pragma once
// Many shards as one list of tiles.
#include "data/shard.h"
#include "data/tile_ranges.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// A tile store: a folder with store.json, a folder of shards, or one shard. Thread-safe.
///
/// With a manifest a shard is opened and checked when its first tile is asked for (or by slides(), which needs them all), so that a list of
/// thousands of shards is there at once.
/// Errors   Io, Data: as Shard; Config if the system does not let one process hold so many shards; Data if a shard differs from the manifest (both
/// values are named), if shards disagree in tile size
///          or codec, or if a shard is in the list twice.
class TileStore {
 public:
  explicit TileStore(const std::string& path);
  ~TileStore();
  TileStore(TileStore&&) noexcept;

  uint64_t n_tiles() const;
  /// Tile size, codec, mpp: of the first shard; the others agree in size and codec.
  const TileFormat& format() const;

  /// The slides of all shards joined by id, in order of first appearance; `first` is the store's index, 0 if the slide's tiles do not lie together.
  const std::vector<SlideRow>& slides() const;
  /// Their number, from the manifest where it tells.
  size_t n_slides() const;
  /// `slide` is a row of slides().
  TileRow tile(uint64_t index) const;

  /// As the functions of Shard, by the store's index.
  std::span<const uint8_t> read(uint64_t index, std::vector<uint8_t>& buffer) const;
  std::span<const uint8_t> read_unchecked(uint64_t index, std::vector<uint8_t>& buffer) const;
  void read_image(uint64_t index, std::vector<uint8_t>& buffer, Image& out) const;
  std::string describe(uint64_t index) const;

  /// Asks the system to fetch these records, in the order in which they lie on disk, neighbours in one piece. Returns while they are under way.
  /// A shard that cannot be opened is passed over: its reader says so.
  void will_read(std::vector<TileRange> tiles) const;

  /// Text columns that every shard has ("id", "class", "group", "patient", "split" of an image folder).
  std::vector<std::string> columns() const;
  std::vector<std::string> column(const std::string& name) const;
  bool has_column(const std::string& name) const;

  size_t n_shards() const;
  const Shard& shard(size_t k) const;
  /// The store's index of a shard's first tile.
  uint64_t shard_first(size_t k) const;
  uint64_t shard_tiles(size_t k) const;
  /// The path of the shard that holds a tile; nothing is opened.
  const std::string& file(uint64_t index) const;
  /// The slides of a shard and whether each one's tiles lie together there: from the manifest, else the shard is opened. Of the texts
  /// only id, patient, site, stain and scanner are set.
  const std::vector<SlideRow>& shard_slides(size_t k) const;
  bool shard_ordered_by_slide(size_t k) const;
  /// Identity of the content (SHA-256, hex, of the shards' uuid, n_tiles and index checksum): part of a run's identity.
  std::string digest() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
