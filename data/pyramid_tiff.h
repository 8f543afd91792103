#pragma once
// Pyramidal tiled TIFF, as slide viewers and OpenSlide's generic-tiff driver read it.
#include "data/image.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

enum class TiffCompression { kJpeg, kDeflate };

struct PyramidSettings {
  double mpp = 0;  // written as pixels a centimetre; 0: no resolution
  std::vector<int64_t> downsamples = {1, 4, 16};
  int64_t tile_size = 256;  // a multiple of 16
  TiffCompression compression = TiffCompression::kJpeg;
  int jpeg_quality = 90;
  std::string description;
};

/// Writes the picture and its box-averaged levels (those with an edge below 16 pixels are left out) to `path`.tmp, then renames it.
/// The same picture gives the same bytes.
/// Errors   Io if the file cannot be written; Shape if the picture is empty or tile_size is no multiple of 16.
/// Checked  tests/data/test_synthetic.cpp: read back through OpenSlide.
void write_pyramid_tiff(const std::string& path, const ImageView& image, const PyramidSettings& settings);

/// Averages boxes of factor x factor pixels; what is left over at the right and lower edge is dropped.
Image box_downsample(const ImageView& image, int64_t factor);

}  // namespace eosin::data
