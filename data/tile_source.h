#pragma once
// What a loader draws tiles from: tile stores, or slides themselves. Whoever makes views need not know which.
#include "data/batch.h"
#include "data/image.h"
#include "data/slide_reader.h"
#include "data/tile_ranges.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace eosin::data {

/// One sample of the order: the tile, and for sources that choose places at random the position that decides the place.
struct TileDraw {
  uint64_t index = 0;
  uint64_t position = 0;
};

/// Tiles that belong together under a name ("slide-17").
struct TileGroup {
  std::string name;
  TileRanges tiles;
};

/// The group of the tiles of which nothing is known.
inline constexpr const char* kUnknownGroup = "(unknown)";

/// Gathers ranges of tiles under names, in order of first appearance; no name is kUnknownGroup.
class TileGroups {
 public:
  void add(const std::string& name, TileRange range) {
    const auto [at, is_new] = place_.emplace(name, groups_.size());
    if (is_new) groups_.push_back({name.empty() ? kUnknownGroup : name, {}});
    groups_[at->second].tiles.add(range);
  }
  std::vector<TileGroup> take() { return std::move(groups_); }

 private:
  std::unordered_map<std::string, size_t> place_;
  std::vector<TileGroup> groups_;
};

/// A numbered set of tiles. Thread-safe; what a draw gives depends on nothing but the draw.
class TileSource {
 public:
  virtual ~TileSource() = default;
  virtual uint64_t n_tiles() const = 0;
  /// Of every tile, in pixels; where tiles differ, what each of them has at least.
  virtual Size tile_size() const = 0;
  /// Whether all tiles have that size.
  virtual bool has_one_size() const { return true; }
  /// Identity of the content: part of a run's identity.
  virtual std::string digest() const = 0;

  /// Errors   Io or Data if the file that holds the tile cannot be used.
  virtual SampleId id(const TileDraw& draw) const = 0;
  /// The tile's pixels. `buffer` is scratch.
  /// Errors   Io or Data naming file and tile: the tile is bad, the source stays usable.
  virtual void read_image(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& out) const = 0;
  /// The class of a tile, where the source knows classes: then of every tile.
  virtual std::optional<int64_t> label(uint64_t index) const { return {}; }
  /// The file that holds a tile; nothing is opened.
  virtual const std::string& file(uint64_t index) const = 0;
  /// Says that these tiles will be read soon. What cannot be used is passed over: its reader says so.
  virtual void will_read(const std::vector<TileRange>& tiles) const {}

  /// Every tile in one of several groups, by what `by` names, in order of first appearance.
  /// Errors   Config if the source knows no such grouping (names those it knows).
  virtual std::vector<TileGroup> groups(const std::string& by) const = 0;
};

}  // namespace eosin::data
