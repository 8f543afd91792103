#pragma once
// libtiff's handle with its messages kept instead of printed.
#include <tiffio.h>

#include <memory>
#include <string>

namespace eosin::data {

using TiffHandle = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

/// True if the first bytes are those of a TIFF or BigTIFF.
bool begins_as_tiff(const std::string& path);

/// Opens for reading, at the first directory; null if that fails. `message` gets the first error, now or of a later call on the handle,
/// which it must outlive.
TiffHandle open_tiff(const std::string& path, std::string& message);

}  // namespace eosin::data
