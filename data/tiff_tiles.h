#pragma once
// The tiles of a tiled TIFF: JPEG streams by positional reads, other compressions through libtiff.
#include "data/slide_reader.h"
#include "data/tiff_decoder.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// One directory whose tiles hold three 8-bit channels, row by row from the top left; the last of a row or column may reach beyond the
/// picture.
struct TiffLevel {
  Size size, tile;
  bool is_jpeg = true;
  bool is_rgb = false;          // JPEG: the streams hold RGB, not YCbCr, and need not say so (Aperio); a JFIF marker outweighs it
  bool is_reduced = false;      // the file calls it a smaller version of another
  uint64_t directory = 0;       // its offset in the file
  std::vector<uint8_t> tables;  // JPEGTables; empty: the streams are whole
  std::vector<uint64_t> offsets, bytes;

  int64_t across() const { return (size.width + tile.width - 1) / tile.width; }
  int64_t down() const { return (size.height + tile.height - 1) / tile.height; }
};

/// Which directories of a file are taken.
enum class TiffDirectories {
  kMainJpeg,    // JPEG alone, of the file's own list, in its order: what Aperio's and generic pyramids are
  kOmePyramid,  // the largest of the list, with its sub-directories or reduced versions, largest first, of any compression (OME-TIFF 6.0)
};

/// For JPEG nothing of libtiff is used after opening, and no lock is taken: any number of threads read at once.
///
/// Errors   Io if the file cannot be opened or read; Data if its directories are damaged, or a stream lies beyond the file's end.
/// Checked  tests/data/test_tiff_reader.cpp.
class TiffTiles {
 public:
  explicit TiffTiles(const std::string& path, TiffDirectories which = TiffDirectories::kMainJpeg);
  TiffTiles(TiffTiles&&) = default;

  const std::vector<TiffLevel>& levels() const { return levels_; }
  /// Decodes tile `index` into `rgb`, which takes tile.width * tile.height * 3 bytes.
  /// Errors   Data if it cannot be decoded or has another size.
  void decode(const TiffLevel& level, int64_t index, uint8_t* rgb) const;
  /// Tile `index` of a JPEG level as a self-contained stream (tables merged, RGB marked as such); empty if the file has none there (white, by
  /// convention).
  std::vector<uint8_t> stream(const TiffLevel& level, int64_t index) const;

 private:
  std::string path_;
  std::shared_ptr<const int> file_;  // closed with the last owner
  std::vector<TiffLevel> levels_;
  std::shared_ptr<TiffDecoder> decoder_;  // of what is not JPEG
};

}  // namespace eosin::data
