#include "core/base/atomic_file.h"
#include "data/jpeg.h"
#include "data/pyramid_tiff.h"
#include "data/tiff_damage.h"
#include "data/tiff_tiles.h"
#include "tests/data/store_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

/// What the direct slide reader does with a file before and after OpenSlide accepted it.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  data::tiff_damage(path);
  const data::TiffTiles tiles(path);
  data::Image image;
  data::JpegLimits limits;
  limits.max_pixels = 1 << 20;
  for (const data::TiffLevel& level : tiles.levels())
    for (size_t i = 0; i < std::min<size_t>(level.offsets.size(), 4); ++i)
      refused([&] { data::decode_jpeg(tiles.stream(level, static_cast<int64_t>(i)), image, limits); });
}

std::vector<std::string> seeds() {
  std::vector<std::string> files;
  for (const auto compression : {data::TiffCompression::kJpeg, data::TiffCompression::kDeflate}) {
    data::PyramidSettings settings;
    settings.downsamples = {1, 2};
    settings.tile_size = 16;
    settings.compression = compression;
    const std::string path = fresh_path("seed.tif");
    data::write_pyramid_tiff(path, data::test_picture(1, 2, 40, 50), settings);
    files.push_back(read_file(path));
  }
  return files;
}

}  // namespace eosin::fuzz
