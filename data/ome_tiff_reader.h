#pragma once
#include "data/slide_reader.h"

#include <memory>
#include <string>

namespace eosin::data {

/// The "ome-tiff" row: OME-TIFF with its pyramid in sub-directories, which OpenSlide does not see (or, up to 3.4, does not open).
///
/// The largest tiled 8-bit RGB picture of the file, JPEG or a compression that libtiff decodes; JPEG colours are those that the stream's own
/// marker names (Bio-Formats writes YCbCr streams and calls them RGB), else those of the TIFF. A region that does not begin on a whole pixel
/// of its level begins at the nearest one. A file without such a picture is left to the other readers.
/// Errors   Data if no reader can open it.
/// Checked  tests/data/test_ome_tiff.cpp.
std::unique_ptr<SlideReader> open_ome_tiff(const std::string& path);
/// A TIFF whose first description is OME-XML.
bool ome_tiff_accepts(const std::string& path);

}  // namespace eosin::data
