#pragma once
// What reader and writer of a shard must agree on: the columns of the slide table and how a record becomes a picture.
#include "core/tensor/hdf5.h"
#include "data/shard.h"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

inline constexpr const char* kLabelPrefix = "label_";
/// Attribute of an optional column: CRC-32C of its bytes as the file holds them.
inline constexpr const char* kColumnChecksum = "crc32c";

struct SlideColumn {
  const char* name;
  h5::Type type;
  size_t text_bytes;  // 0: a number
  size_t width() const { return text_bytes > 0 ? text_bytes : h5::element_size(type); }
};

/// The columns below /slides, in the order of the index checksum.
inline constexpr std::array<SlideColumn, 15> kSlideColumns = {{
    {"id", h5::Type::kText, 128},
    {"path", h5::Type::kText, 512},
    {"sha256", h5::Type::kText, 64},
    {"vendor", h5::Type::kText, 32},
    {"scanner", h5::Type::kText, 64},
    {"patient", h5::Type::kText, 64},
    {"site", h5::Type::kText, 32},
    {"stain", h5::Type::kText, 16},
    {"mpp_x", h5::Type::kF64, 0},
    {"mpp_y", h5::Type::kF64, 0},
    {"magnification", h5::Type::kF32, 0},
    {"width", h5::Type::kI64, 0},
    {"height", h5::Type::kI64, 0},
    {"first", h5::Type::kU64, 0},
    {"count", h5::Type::kU64, 0},
}};

/// Stores column `k`, as the file holds it, in the rows.
void decode_slide_column(size_t k, std::span<const uint8_t> bytes, std::vector<SlideRow>& rows);
/// The whole column `k` as the file holds it. Data error naming slide and column if a text is too long.
std::vector<uint8_t> encode_slide_column(size_t k, const std::vector<SlideRow>& rows);
/// Errors   as that of any column of the row: to be known before the work that the row is about.
void check_slide_row(const SlideRow& row);

/// Of every field of the header, so that a flipped bit in an attribute does not change what the tiles are taken for.
uint32_t header_checksum(const ShardHeader& header);
inline constexpr const char* kHeaderChecksum = "header_crc32c";

/// Decodes a stored record. Data error naming `where()` if it cannot be decoded or has another size than the format's.
void decode_record(std::span<const uint8_t> bytes, const TileFormat& format, const std::function<std::string()>& where, Image& out);

}  // namespace eosin::data
