#include "data/tiff_tiles.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/tiff_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace eosin::data {
namespace {

constexpr uint32_t kMaxTileEdge = 4096;
constexpr uint64_t kMaxStreamBytes = uint64_t{1} << 28;

template <class T>
T field(TIFF* tiff, uint32_t tag, T otherwise) {
  T value{};
  return TIFFGetField(tiff, tag, &value) ? value : otherwise;
}

std::vector<uint64_t> list(TIFF* tiff, uint32_t tag, uint32_t count) {
  const uint64_t* values = nullptr;
  if (!TIFFGetField(tiff, tag, &values) || !values) return {};
  return {values, values + count};
}

/// The current directory, if it is of the kind that TiffLevel holds.
std::optional<TiffLevel> read_level(TIFF* tiff) {
  if (!TIFFIsTiled(tiff)) return std::nullopt;
  const auto photometric = field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, 0);
  const bool is_jpeg = field<uint16_t>(tiff, TIFFTAG_COMPRESSION, 0) == COMPRESSION_JPEG;
  const bool is_colour = photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR;
  const bool is_plain = field<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1) == 8 && field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) == 3 &&
                        field<uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_CONTIG &&
                        field<uint16_t>(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT) == ORIENTATION_TOPLEFT;
  const auto tile_width = field<uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0), tile_height = field<uint32_t>(tiff, TIFFTAG_TILELENGTH, 0);
  if (!is_jpeg || !is_colour || !is_plain || tile_width == 0 || tile_height == 0 || tile_width > kMaxTileEdge || tile_height > kMaxTileEdge)
    return std::nullopt;

  TiffLevel level;
  level.size = {field<uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0), field<uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0)};
  level.tile = {tile_width, tile_height};
  level.is_rgb = photometric == PHOTOMETRIC_RGB;
  const uint32_t count = TIFFNumberOfTiles(tiff);
  if (count == 0 || level.across() * level.down() != count) return std::nullopt;
  level.offsets = list(tiff, TIFFTAG_TILEOFFSETS, count);
  level.bytes = list(tiff, TIFFTAG_TILEBYTECOUNTS, count);
  if (level.offsets.empty() || level.bytes.empty()) return std::nullopt;
  uint32_t table_bytes = 0;
  const uint8_t* tables = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_JPEGTABLES, &table_bytes, &tables) && tables) level.tables.assign(tables, tables + table_bytes);
  return level;
}

}  // namespace

TiffTiles::TiffTiles(const std::string& path) : path_(path) {
  std::string message;
  const TiffHandle tiff = open_tiff(path, message);
  if (tiff) {
    do
      if (auto level = read_level(tiff.get())) levels_.push_back(std::move(*level));
    while (TIFFReadDirectory(tiff.get()));
  }
  EOSIN_CHECK(tiff && message.empty(), Data, "[slide] '{}': {}", path, message.empty() ? "not a TIFF" : message);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno(fmt::format("[slide] cannot open '{}'", path), errno);
  file_ = std::shared_ptr<const int>(new int(file), [](const int* f) {
    ::close(*f);
    delete f;
  });
}

std::vector<uint8_t> TiffTiles::stream(const TiffLevel& level, int64_t index) const {
  const uint64_t offset = level.offsets[static_cast<size_t>(index)], bytes = level.bytes[static_cast<size_t>(index)];
  if (bytes == 0) return {};
  EOSIN_CHECK(bytes <= kMaxStreamBytes, Data, "[slide] '{}': tile {} claims {} bytes", path_, index, bytes);
  std::vector<uint8_t> raw(bytes);
  for (size_t done = 0; done < raw.size();) {
    const ssize_t n = ::pread(*file_, raw.data() + done, raw.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(fmt::format("[slide] cannot read tile {} of '{}'", index, path_), errno);
    EOSIN_CHECK(n > 0, Data, "[slide] '{}': tile {} lies beyond the file's end", path_, index);
    done += static_cast<size_t>(n);
  }
  if (level.tables.empty() && !level.is_rgb) return raw;
  static const std::vector<uint8_t> no_tables = {0xFF, 0xD8};
  return merge_jpeg_tables(level.tables.empty() ? no_tables : level.tables, raw, level.is_rgb);
}

}  // namespace eosin::data
