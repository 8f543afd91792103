#pragma once
// libtiff's handle with its messages kept instead of printed.
#include <tiffio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace eosin::data {

using TiffHandle = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

/// True if `bytes`, the first four or more, are those of a TIFF or BigTIFF.
bool begins_as_tiff(std::string_view bytes);
bool file_begins_as_tiff(const std::string& path);

/// Opens for reading, at the first directory; null if that fails. `message` gets the first error, now or of a later call on the handle,
/// which it must outlive; a warning of the JPEG decoder is one. No piece of memory above 1 GiB is taken.
TiffHandle open_tiff(const std::string& path, std::string& message);

/// A file in memory, which must outlive the handle that reads it.
struct TiffBytes {
  std::span<const uint8_t> bytes;
  uint64_t position = 0;
};
TiffHandle open_tiff(TiffBytes& file, std::string& message);

}  // namespace eosin::data
