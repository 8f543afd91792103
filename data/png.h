#pragma once
// PNG files of masks and pictures.
#include "data/image.h"
#include "data/mask.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// Any PNG as a mask: 1 where the pixel is not black (transparent counts as black).
/// Errors   Io if it cannot be opened; Data if it is no whole PNG, or has more than 400 million pixels or 1 GiB of them.
Mask read_mask_png(const std::string& path);
/// Measurements or labels, as they are written.
struct GrayPicture {
  int64_t height = 0, width = 0;
  std::vector<uint16_t> values;
};
/// A grey PNG of at most 16 bits. Values of 16 bits are kept only where the file says no gamma, as is usual.
/// Errors   Io if it cannot be opened; Data if it is no whole PNG, has colours or transparency, or more than 400 million pixels.
GrayPicture read_gray_png(const std::string& path);
/// Any PNG as an RGB picture; what is transparent shows white.
/// Errors   Data naming `where` if it is no whole PNG, has 16 bits a channel, or has more than 2^26 pixels.
Image decode_png(std::span<const uint8_t> bytes, const std::string& where);
/// 8-bit grey, 0 and 255. Io error if it cannot be written.
void write_mask_png(const std::string& path, const Mask& mask);
/// 8-bit RGB, as bytes of a file. Io error if it cannot be encoded.
std::vector<uint8_t> encode_png(const ImageView& image);

}  // namespace eosin::data
