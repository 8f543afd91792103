#pragma once
// TIFF files that hold one picture, as many published tile sets are. Slides are read by slide_reader.h.
#include "data/image.h"

#include <cstdint>
#include <span>
#include <string>

namespace eosin::data {

bool is_tiff(std::span<const uint8_t> bytes);

/// The first picture of a TIFF, as RGB, in any layout and compression that libtiff decodes; what is transparent shows white.
/// Errors   Data naming `where` if it is no whole TIFF, has other than 8 bits a channel, more channels than its colour space says, a colour space
///          such as Lab, or more than 2^26 pixels, is to be turned, or a JPEG stream in it is damaged.
/// Checked  tests/data/test_tiff_picture.cpp.
Image decode_tiff(std::span<const uint8_t> bytes, const std::string& where);

}  // namespace eosin::data
