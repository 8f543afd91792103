#include "core/base/error.h"
#include "data/ome_tiff_reader.h"
#include "data/openslide_reader.h"
#include "data/slide_reader.h"
#include "data/tiff_damage.h"
#include "data/tiff_file.h"
#include "data/tiff_reader.h"

#include <openslide.h>

#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;

const std::vector<SlideReaderRow>& slide_readers() {
  static const std::vector<SlideReaderRow> table = {
      {"ome-tiff", "OME-TIFF with its pyramid in sub-directories, tiled 8-bit RGB", "OME-TIFF specification 6.0", ome_tiff_accepts, open_ome_tiff},
      {"tiff", "tiled JPEG TIFF (Aperio SVS, generic pyramids), read directly and checked against OpenSlide", "TIFF 6.0 and its Technical Note 2",
       tiff_reader_accepts, open_tiff_slide},
      {"openslide", "every format that OpenSlide reads", "Goode et al. 2013, J Pathol Inform 4:27", openslide_accepts, open_openslide},
  };
  return table;
}

std::unique_ptr<SlideReader> open_slide(const std::string& path) {
  std::error_code ec;
  const fs::file_status status = fs::status(path, ec);
  EOSIN_CHECK(fs::exists(status), Io, "[slide] '{}' does not exist", path);
  EOSIN_CHECK(fs::is_regular_file(status), Io, "[slide] '{}' is not a file", path);
  EOSIN_CHECK(fs::file_size(path, ec) > 0 && !ec, Data, "[slide] '{}' is empty (0 bytes)", path);
  for (const auto& row : slide_readers())
    if (row.accepts(path)) return row.open(path);
  if (const auto damage = tiff_damage(path))
    fail(ErrorKind::Data, "[slide] '{}' begins as a TIFF but is truncated or damaged: {}; copy it again from its source", path, *damage);
  EOSIN_CHECK(!file_begins_as_tiff(path), Data,
              "[slide] '{}' is a TIFF that no reader takes for a slide: its picture lies in strips, not in tiles, or in a compression that is not "
              "read; make a pyramid of it (vips tiffsave IN OUT --tile --pyramid --compression jpeg)",
              path);
  fail(ErrorKind::Data, "[slide] '{}' is not a slide that any reader knows (OpenSlide {} is installed; DICOM needs 4.0)", path,
       openslide_get_version());
}

}  // namespace eosin::data
