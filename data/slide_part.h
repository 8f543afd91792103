#pragma once
// The tiles of one slide while a store is being written: records appended to a file that survives a killed job.
//
// A part is a list of records: one that begins it (slide and identity as JSON), the tiles, and one that ends it (slide row and columns as JSON).
// Each is [magic u32, length u32, x i32, y i32, level0_size u32, tissue u8, qc u16, crc32c u32, head_crc32c u32, payload], little-endian, unpadded;
// crc32c is of the payload, head_crc32c of the 27 bytes before it.
#include "data/shard.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// What a part holds, up to its first damaged record.
struct PartContent {
  std::string slide_id, identity;  // empty if not even the first record is whole
  std::vector<TileRow> tiles;
  std::vector<uint64_t> offsets, sizes;  // of the tiles' payloads in the file
  bool finished = false;
  SlideRow row;         // of a finished part
  TextColumns columns;  // of a finished part
  uint64_t valid_bytes = 0;
};

/// Reads a part. `check_payloads` false checks the tiles' heads only.
/// Errors   Io if the file cannot be read.
PartContent scan_part(const std::string& path, bool check_payloads);

/// A part that is being written. Used by one thread.
class SlidePart {
 public:
  /// Opens or begins the part; what a killed run left is cut at the first damaged record.
  /// Errors   Io if the file cannot be opened or written; Config if it was begun with another identity.
  SlidePart(const std::string& path, const std::string& slide_id, const std::string& identity);
  ~SlidePart();
  SlidePart(SlidePart&&) noexcept;

  const std::string& slide_id() const;
  /// Tiles that an earlier, killed run left, in order: the caller goes on behind them or calls restart().
  const std::vector<TileRow>& recovered() const;
  void restart();
  /// Removes the file: nothing of the slide is worth going on with.
  void abandon();

  /// Appends one tile; no bytes if only its coordinates are kept. `tile.slide` and `tile.crc32c` are ignored: the part knows them.
  /// Errors   Io naming the part, the bytes needed and free if it cannot be written.
  void append(const TileRow& tile, std::span<const uint8_t> stored_bytes);
  uint64_t n_tiles() const;
  uint64_t bytes() const;  // of payload

  /// Appends the slide's row (whose count is set here) and syncs; `columns` hold one text a tile.
  void finish(SlideRow row, const TextColumns& columns);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
