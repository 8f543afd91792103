#pragma once
// One interface for whole-slide images; a back end is one file and one row of the table in slide_readers.cpp.
#include "data/image.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

/// Level-0 pixels, x to the right, y down.
struct Point {
  int64_t x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

struct Size {
  int64_t width = 0, height = 0;
  bool operator==(const Size&) const = default;
};

/// What a slide says of itself. Nothing here is guessed; the scale to work with comes from resolve_scale().
struct SlideInfo {
  std::string path;
  std::string reader = "openslide";    // the row of slide_readers() that reads the pixels
  std::string vendor;                  // "aperio", "hamamatsu", "generic-tiff", ...
  std::string scanner;                 // the instrument's own name, empty if unknown
  std::vector<Size> dimensions;        // of every level, largest first
  std::vector<double> downsamples;     // of every level: mean of the width and the height ratio to level 0
  std::optional<double> mpp_x, mpp_y;  // as the reader's own mpp properties say; placeholders left out
  std::optional<double> objective;     // magnification of the lens
  std::map<std::string, std::string> properties;

  Size size() const { return dimensions.front(); }
  /// The largest level whose downsample is at most `downsample`; 0 if none is.
  int level_for(double downsample) const;
};

/// An open slide.
class SlideReader {
 public:
  virtual ~SlideReader() = default;
  virtual const SlideInfo& info() const = 0;
  /// Reads size.width x size.height pixels of `level` whose top-left is at `level0`, as RGB over white into `rgb` (3 bytes a pixel,
  /// no gaps). Outside the slide is white. Thread-safe; the result does not depend on what other threads read.
  /// Errors   Data naming slide, place and level if the region is damaged (the reader stays usable).
  virtual void read(Point level0, int level, Size size, uint8_t* rgb) const = 0;
  /// Whether the file holds exactly this region as a JPEG stream of its own.
  virtual bool has_jpeg_stream(Point level0, int level, Size size) const { return false; }
  /// That stream, self-contained; empty if there is none. Errors   Data if it lies beyond the file's end.
  virtual std::vector<uint8_t> jpeg_stream(Point level0, int level, Size size) const { return {}; }
  /// Holds no more than so many bytes of decoded pixels for later reads. A reader without such a store of its own does nothing.
  virtual void limit_decoded(size_t bytes) {}
};

/// One back end. `accepts` looks at the first bytes of the file only.
struct SlideReaderRow {
  std::string name, one_line, source;
  std::function<bool(const std::string& path)> accepts;
  std::function<std::unique_ptr<SlideReader>(const std::string& path)> open;
};
const std::vector<SlideReaderRow>& slide_readers();

/// Opens a slide with the first back end that accepts it.
/// Errors   Io if there is no such readable file; Data if it is empty, no slide, or damaged (a truncated TIFF says so).
/// Checked  golden data.slide_info, data.read_region; tests/data/test_slides.cpp.
std::unique_ptr<SlideReader> open_slide(const std::string& path);

/// A region as a picture of its own, or in the memory of another.
Image read_region(const SlideReader& reader, Point level0, int level, Size size);
void read_region(const SlideReader& reader, Point level0, int level, Size size, Image& out);
/// A whole level. Data error when it has more than 100 million pixels (CLAM's limit too).
Image read_level(const SlideReader& reader, int level);
/// The whole slide with no edge longer than `max_edge` pixels: the smallest level that suffices, averaged over boxes; read in strips.
Image read_overview(const SlideReader& reader, int64_t max_edge);

}  // namespace eosin::data
