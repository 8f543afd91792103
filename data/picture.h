#pragma once
// Pictures by their first bytes.
#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"

namespace eosin::data {

bool is_jpeg(std::span<const uint8_t> bytes);

/// The pixels of a JPEG, PNG or TIFF file. Data error naming `where` if it is none, or damaged.
Image decode_picture(std::span<const uint8_t> bytes, const std::string& where);

}  // namespace eosin::data
