#pragma once
// JPEG streams to pixels and back, by libjpeg-turbo's own defaults (accurate integer DCT, fancy upsampling).
//
// A stream is somebody else's: every warning of the library is an error, sizes are checked before memory is taken, and a
// stream must be whole (tables of an earlier picture are never used). Every function is thread-safe.
#include "data/image.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

struct JpegLimits {
  int64_t max_pixels = int64_t{1} << 26;
  int max_scans = 100;  // of a progressive stream
};

/// What a stream's header says.
struct JpegInfo {
  int64_t height = 0, width = 0;
  int components = 0;       // 1 grey, 3 colour
  bool baseline = false;    // Huffman-coded, sequential, 8 bit
  std::string subsampling;  // "444", "422", "420", "gray", or "mixed" for anything else
};

/// Reads the header only.
/// Errors   Data: as decode_jpeg, as far as a header shows it.
JpegInfo read_jpeg_info(std::span<const uint8_t> bytes);

/// Decodes a self-contained stream into `out`, whose memory is reused. Grey is repeated; Adobe's transform 0 means RGB.
///
/// Errors   Data: not a JPEG, CMYK or YCCK, other than 8 bits, missing tables, zero or too large size, too many scans, truncation,
///          and every warning of the decoder.
/// Checked  golden data.jpeg, tests/data/test_jpeg.cpp.
void decode_jpeg(std::span<const uint8_t> bytes, Image& out, const JpegLimits& limits = {});

/// The same for a picture of known size, into its place: `rgb` takes height * width * 3 bytes.
/// Errors   Data also for a picture of another size.
void decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width, uint8_t* rgb, const JpegLimits& limits = {});

/// Makes an abbreviated stream (a tile of a TIFF) self-contained: SOI, for `components_are_rgb` an Adobe marker with transform 0,
/// the tables without SOI and EOI, the stream without SOI.
/// Errors   Data if `tables` or `stream` does not begin with SOI.
std::vector<uint8_t> merge_jpeg_tables(std::span<const uint8_t> tables, std::span<const uint8_t> stream, bool components_are_rgb);

enum class Subsampling { k444, k422, k420 };
/// "444", "422" or "420". Config error otherwise.
Subsampling subsampling_from(const std::string& name);

/// Encodes a baseline stream into `out`, whose memory is reused.
/// Errors   Config if quality is outside 1..100; Shape if the picture is empty or has a side above 65,500.
/// Checked  golden data.jpeg_encode.
void encode_jpeg(const ImageView& image, int quality, Subsampling subsampling, std::vector<uint8_t>& out);

}  // namespace eosin::data
