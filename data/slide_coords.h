#pragma once
// A slide's tiles as coordinates alone: the files that TRIDENT and CLAM write before they read a pixel.
#include "data/slide_reader.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

enum class CoordsLayout { kTrident, kClam };

/// What such a file says. TRIDENT counts in magnifications, CLAM in pixels of a pyramid level; 0 or empty: the file does not say.
struct SlideCoords {
  CoordsLayout layout = CoordsLayout::kTrident;
  std::string name;                                            // of the slide; read from the file's name
  std::string folder;                                          // that the file is in: TRIDENT's `savetodir`, CLAM's `save_path`; not read
  std::vector<Point> tiles;                                    // level-0 pixels of the top-left corner
  int64_t patch_size = 0;                                      // pixels of a tile as it is read: at the target magnification, or at patch_level
  int64_t patch_size_level0 = 0;                               // its edge in level-0 pixels
  int64_t overlap = 0;                                         // TRIDENT: pixels at the target magnification
  int64_t level0_magnification = 0, target_magnification = 0;  // TRIDENT
  std::optional<Size> level0;                                  // TRIDENT: the slide's size
  int64_t patch_level = 0;                                     // CLAM
  double downsample_x = 1, downsample_y = 1;                   // CLAM: of that level
  std::optional<Size> level;                                   // CLAM: its size
  std::string identity;                                        // of the settings that made a file of ours; empty in others
};

/// Writes a file that is complete or absent, with the data set and the attributes that the program of that layout reads, under its names
/// and types.
/// Errors   Io.
/// Checked  tests/data/test_slide_coords.cpp; tests/python/interchange.py reads them as CLAM and TRIDENT do.
void write_slide_coords(const std::string& path, const SlideCoords& coords);

/// Reads either layout (of CLAM and TRIDENT, or ours): int32 or int64 coordinates, any chunking, no rows.
/// Errors   Io if it cannot be opened; Data naming the file: not complete HDF5, no coords of shape [N, 2], neither program's attributes, a
///          size that is not positive.
SlideCoords read_slide_coords(const std::string& path);

/// Coordinate files of a folder, of its folder `patches`, or the one file: name (without `.h5` and TRIDENT's `_patches`) and path, by name.
/// Errors   Io if it does not exist; Data if there is none, or two have one name.
std::vector<std::pair<std::string, std::string>> list_slide_coords(const std::string& path);

}  // namespace eosin::data
