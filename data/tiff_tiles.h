#pragma once
// The compressed tiles of a tiled JPEG TIFF, by positional reads.
#include "data/slide_reader.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// One directory whose tiles are JPEG streams of three 8-bit channels, row by row from the top left; the last of a row or column may
/// reach beyond the picture.
struct TiffLevel {
  Size size, tile;
  bool is_rgb = false;          // the streams hold RGB, not YCbCr, and need not say so (Aperio)
  std::vector<uint8_t> tables;  // JPEGTables; empty: the streams are whole
  std::vector<uint64_t> offsets, bytes;

  int64_t across() const { return (size.width + tile.width - 1) / tile.width; }
  int64_t down() const { return (size.height + tile.height - 1) / tile.height; }
};

/// Nothing of libtiff is used after opening, and no lock is taken: any number of threads read at once.
///
/// Errors   Io if the file cannot be opened or read; Data if its directories are damaged, or a stream lies beyond the file's end.
/// Checked  tests/data/test_tiff_reader.cpp.
class TiffTiles {
 public:
  explicit TiffTiles(const std::string& path);
  TiffTiles(TiffTiles&&) = default;

  /// All such directories, sub-directories left out, in the order of the file.
  const std::vector<TiffLevel>& levels() const { return levels_; }
  /// Tile `index` as a self-contained stream (tables merged, RGB marked as such); empty if the file has none there (white, by convention).
  std::vector<uint8_t> stream(const TiffLevel& level, int64_t index) const;

 private:
  std::string path_;
  std::shared_ptr<const int> file_;  // closed with the last owner
  std::vector<TiffLevel> levels_;
};

}  // namespace eosin::data
