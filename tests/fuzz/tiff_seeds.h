#pragma once
// Tiled TIFFs to begin with: one compressed as JPEG, one as Deflate.
#include "core/base/atomic_file.h"
#include "data/pyramid_tiff.h"
#include "tests/data/store_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

inline std::vector<std::string> tiff_seeds(const std::vector<int64_t>& downsamples) {
  std::vector<std::string> files;
  for (const auto compression : {data::TiffCompression::kJpeg, data::TiffCompression::kDeflate}) {
    data::PyramidSettings settings;
    settings.downsamples = downsamples;
    settings.tile_size = 16;
    settings.compression = compression;
    const std::string path = fresh_path("seed.tif");
    data::write_pyramid_tiff(path, data::test_picture(1, 2, 40, 50), settings);
    files.push_back(read_file(path));
  }
  return files;
}

}  // namespace eosin::fuzz
