#pragma once
// Writes a tile store so that a killed job loses nothing but the record in flight (data design 4.2).
//
// Each slide's tiles are appended to a part file. When the slides that come first are finished and fill a shard, or at the end,
// the parts are copied into `<name>.h5.tmp`, which is synced and renamed: a `.h5` is complete by construction and never reopened.
// The shards depend on the order of `slide_ids` alone, not on threads or restarts.
#include "data/shard.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

struct StoreSettings : TileFormat {
  uint64_t max_shard_bytes = uint64_t{8} << 30;  // a shard is closed by the slide that reaches it
  std::string identity;                          // hash of what decides the tiles; a begun store with another is refused
};

/// Values of optional text columns for one tile: name -> text ("class" -> "tumour").
using TileLabels = std::map<std::string, std::string>;

/// The part file of one slide. Used by one thread.
class SlidePart {
 public:
  ~SlidePart();
  SlidePart(SlidePart&&) noexcept;

  /// Tiles that an earlier, killed run left in the part, in order; the caller goes on behind them or calls restart().
  const std::vector<TileRow>& recovered() const;
  void restart();

  /// Appends one tile. `tile.slide` and `tile.crc32c` are ignored: the part knows them. Every tile of a store has the same label names.
  /// Errors   Io naming the part and the free space if it cannot be written.
  void append(const TileRow& tile, std::span<const uint8_t> stored_bytes, const TileLabels& labels = {});
  uint64_t n_tiles() const;
  uint64_t bytes() const;

 private:
  friend class TileStoreWriter;
  struct Impl;
  explicit SlidePart(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Thread-safe: workers tile different slides at the same time.
class TileStoreWriter {
 public:
  /// Takes the folder's lock, removes `.tmp` files, reads what an earlier run finished.
  /// Errors   Io if the folder is locked (names host and pid) or cannot be written; Config if it was begun with another identity,
  ///          or two slides have one id.
  TileStoreWriter(std::string folder, StoreSettings settings, std::vector<std::string> slide_ids);
  ~TileStoreWriter();

  /// Whether the slide is in a finished shard or its part is finished; then begin() is not called for it.
  bool is_complete(const std::string& slide_id) const;
  /// The row of a complete slide (status and counts for slides.jsonl of a resumed run).
  SlideRow complete_slide(const std::string& slide_id) const;

  SlidePart begin(const std::string& slide_id);
  /// Finishes a slide; zero tiles are allowed. `row.first` and `row.count` are filled in by the writer.
  void finish(SlidePart part, const SlideRow& row);
  /// The slide failed: it will not be in the store. Its part, if any, is removed.
  void skip(const std::string& slide_id);

  /// After every slide was finished, skipped or complete: writes the last shard and store.json; returns the shards' paths.
  std::vector<std::string> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
