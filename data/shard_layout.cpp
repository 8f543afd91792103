#include "data/shard_layout.h"

#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "data/jpeg.h"

#include <algorithm>
#include <cstring>
#include <variant>

namespace eosin::data {
namespace {

using Member = std::variant<std::string SlideRow::*, double SlideRow::*, float SlideRow::*, int64_t SlideRow::*, uint64_t SlideRow::*>;

/// Where each column of kSlideColumns lives in a SlideRow.
const std::array<Member, kSlideColumns.size()> kMembers = {
    &SlideRow::id,     &SlideRow::path,  &SlideRow::sha256, &SlideRow::vendor, &SlideRow::scanner,       &SlideRow::patient,
    &SlideRow::site,   &SlideRow::stain, &SlideRow::mpp_x,  &SlideRow::mpp_y,  &SlideRow::magnification, &SlideRow::width,
    &SlideRow::height, &SlideRow::first, &SlideRow::count,
};

void decode(std::span<const uint8_t> bytes, std::string& text) {
  text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.resize(text.find_last_not_of('\0') + 1);
}

template <class T>
void decode(std::span<const uint8_t> bytes, T& number) {
  std::memcpy(&number, bytes.data(), sizeof number);
}

template <class T>
void encode(const SlideColumn&, const SlideRow&, const T& number, uint8_t* out) {
  std::memcpy(out, &number, sizeof number);
}

void encode(const SlideColumn& column, const SlideRow& row, const std::string& text, uint8_t* out) {
  EOSIN_CHECK(text.size() <= column.text_bytes, Data, "[tile store] slide '{}': its {} is too long (got {} bytes, at most {}): '{}'", row.id,
              column.name, text.size(), column.text_bytes, text);
  std::memcpy(out, text.data(), text.size());
}

}  // namespace

void decode_slide_column(size_t k, std::span<const uint8_t> bytes, std::vector<SlideRow>& rows) {
  const size_t width = kSlideColumns[k].width();
  for (size_t i = 0; i < rows.size(); ++i) std::visit([&](auto member) { decode(bytes.subspan(i * width, width), rows[i].*member); }, kMembers[k]);
}

std::vector<uint8_t> encode_slide_column(size_t k, const std::vector<SlideRow>& rows) {
  const SlideColumn& column = kSlideColumns[k];
  const size_t width = column.width();
  std::vector<uint8_t> bytes(rows.size() * width);
  for (size_t i = 0; i < rows.size(); ++i)
    std::visit([&](auto member) { encode(column, rows[i], rows[i].*member, bytes.data() + i * width); }, kMembers[k]);
  return bytes;
}

void check_slide_row(const SlideRow& row) {
  for (size_t k = 0; k < kSlideColumns.size(); ++k) encode_slide_column(k, {row});
}

uint32_t header_checksum(const ShardHeader& h) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {:a} {} {} {}", h.format_minor, uuid_text(h.uuid), h.writer, h.created_utc,
                                 name(h.codec), h.jpeg_subsampling, h.ordered_by_slide, h.tile_height, h.tile_width, h.overlap, h.jpeg_quality,
                                 h.n_tiles, h.n_slides, h.target_mpp, h.lossless_tile_copy, h.index_crc32c, h.identity);
  if (!h.stain.empty()) text += ' ' + h.stain;
  return crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void decode_record(std::span<const uint8_t> bytes, const TileFormat& format, const std::function<std::string()>& where, Image& out) {
  if (format.codec == Codec::kRaw) {
    out.height = format.tile_height;
    out.width = format.tile_width;
    out.rgb.assign(bytes.begin(), bytes.end());
    return;
  }
  try {
    decode_jpeg(bytes, out);
  } catch (const Error& e) {
    fail(e.kind(), "[{}] {}", where(), e.what());
  }
  EOSIN_CHECK(out.height == format.tile_height && out.width == format.tile_width, Data,
              "[{}] the picture is {} x {} pixels, the store's tiles are {} x {}", where(), out.width, out.height, format.tile_width,
              format.tile_height);
}

}  // namespace eosin::data
