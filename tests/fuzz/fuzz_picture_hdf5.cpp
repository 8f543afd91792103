#include "core/base/atomic_file.h"
#include "data/picture_hdf5.h"
#include "data/slide_coords.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

/// As `store import` does: bags, JPEG streams, coordinates.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  const auto read_all = [&](data::ImageTable (*list)(const std::string&, const data::ImportConfig&)) {
    const data::ImageTable table = list(path, {});
    for (const data::ImageEntry& entry : table.entries) refused([&] { table.read(entry); });
  };
  refused([&] { read_all(data::read_clam_bags); });
  refused([&] { read_all(data::read_jpeg_hdf5); });
  refused([&] { data::read_slide_coords(path); });
}

std::vector<std::string> seeds() {
  const std::string streams = std::string(EOSIN_SOURCE_DIR) + "/tests/cases/hdf5/h5py_vlen_jpeg.h5", coords = fresh_path("seed.h5");
  data::SlideCoords c;
  c.tiles = {{0, 0}, {256, 0}};
  c.patch_size = c.patch_size_level0 = 256;
  c.layout = data::CoordsLayout::kClam;
  data::write_slide_coords(coords, c);
  return with(with(golden_files("clam_"), golden_files("trident_")), {read_file(streams), read_file(coords)});
}

}  // namespace eosin::fuzz
