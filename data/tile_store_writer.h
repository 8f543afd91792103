#pragma once
// Writes a tile store so that a killed job loses nothing but the record in flight (data design 4.2).
//
// Each slide's tiles are appended to a part file. When the slides that come first are finished and fill a shard, or at the end,
// the parts are copied into `<name>.h5.tmp`, which is synced and renamed: a `.h5` is complete by construction and never reopened.
// The shards depend on the order of `slide_ids` alone, not on threads or restarts.
#include "data/shard.h"
#include "data/slide_part.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

struct StoreSettings : TileFormat {
  uint64_t max_shard_bytes = uint64_t{8} << 30;  // a shard is closed by the slide that reaches it
  std::string identity;                          // hash of what decides the tiles; a begun store with another is refused
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
  /// `columns` holds one text a tile under each name; every slide of a store has the same names.
  void finish(SlidePart part, const SlideRow& row, const TextColumns& columns = {});
  /// The slide failed: it will not be in the store. Its part, if any, is removed.
  void skip(const std::string& slide_id);

  /// After every slide was finished, skipped or complete: writes the last shard and store.json; returns the shards' paths.
  std::vector<std::string> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
