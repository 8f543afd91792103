#include "data/tiff_tiles.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/tiff_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
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

bool has_one_byte_rgb(TIFF* tiff) {
  const auto photometric = field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, 0);
  const bool is_colour = photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR;
  return is_colour && field<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1) == 8 && field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) == 3 &&
         field<uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT) == SAMPLEFORMAT_UINT &&
         field<uint16_t>(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT) == ORIENTATION_TOPLEFT;
}

/// The current directory, if it is of the kind that TiffLevel holds.
std::optional<TiffLevel> read_level(TIFF* tiff) {
  if (!TIFFIsTiled(tiff) || !has_one_byte_rgb(tiff)) return std::nullopt;
  TiffLevel level;
  level.directory = TIFFCurrentDirOffset(tiff);
  level.is_reduced = (field<uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) != 0;
  level.is_jpeg = field<uint16_t>(tiff, TIFFTAG_COMPRESSION, 0) == COMPRESSION_JPEG;
  level.is_rgb = field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, 0) == PHOTOMETRIC_RGB;
  level.size = {field<uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0), field<uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0)};
  level.tile = {field<uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0), field<uint32_t>(tiff, TIFFTAG_TILELENGTH, 0)};
  if (level.tile.width == 0 || level.tile.height == 0 || level.tile.width > kMaxTileEdge || level.tile.height > kMaxTileEdge) return std::nullopt;
  const bool planes = field<uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  const uint32_t count = TIFFNumberOfTiles(tiff);
  if (count == 0 || level.across() * level.down() * (planes ? 3 : 1) != count) return std::nullopt;
  level.offsets = list(tiff, TIFFTAG_TILEOFFSETS, count);
  level.bytes = list(tiff, TIFFTAG_TILEBYTECOUNTS, count);
  if (level.offsets.empty() || level.bytes.empty()) return std::nullopt;
  if (!level.is_jpeg) return level.is_rgb && can_decode(tiff) ? std::optional(std::move(level)) : std::nullopt;
  if (planes) return std::nullopt;
  uint32_t table_bytes = 0;
  const uint8_t* tables = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_JPEGTABLES, &table_bytes, &tables) && tables) level.tables.assign(tables, tables + table_bytes);
  return level;
}

/// Of the current directory.
std::vector<uint64_t> sub_directories(TIFF* tiff) {
  uint16_t count = 0;
  const uint64_t* offsets = nullptr;
  if (!TIFFGetField(tiff, TIFFTAG_SUBIFD, &count, &offsets) || !offsets) return {};
  return {offsets, offsets + count};
}

struct Directory {
  TiffLevel level;
  std::vector<uint64_t> below;
};

std::vector<Directory> main_directories(TIFF* tiff) {
  std::vector<Directory> found;
  do
    if (auto level = read_level(tiff)) found.push_back({std::move(*level), sub_directories(tiff)});
  while (TIFFReadDirectory(tiff));
  return found;
}

bool is_version_of(const TiffLevel& small, const TiffLevel& large) {
  const double x = static_cast<double>(large.size.width) / static_cast<double>(small.size.width);
  const double y = static_cast<double>(large.size.height) / static_cast<double>(small.size.height);
  return x > 1 && y > 1 && std::abs(x / y - 1) < 0.05;
}

std::vector<TiffLevel> ome_pyramid(TIFF* tiff, std::vector<Directory> main) {
  const auto area = [](const TiffLevel& l) { return l.size.width * l.size.height; };
  const auto largest = std::max_element(main.begin(), main.end(), [&](const auto& a, const auto& b) { return area(a.level) < area(b.level); });
  if (largest == main.end()) return {};
  std::vector<TiffLevel> levels = {largest->level};
  for (const auto& d : main)
    if (d.level.is_reduced && is_version_of(d.level, levels[0])) levels.push_back(d.level);
  for (const uint64_t offset : largest->below)
    if (TIFFSetSubDirectory(tiff, offset))
      if (auto level = read_level(tiff); level && is_version_of(*level, levels[0])) levels.push_back(std::move(*level));
  std::stable_sort(levels.begin(), levels.end(), [&](const auto& a, const auto& b) { return area(a) > area(b); });
  return levels;
}

}  // namespace

TiffTiles::TiffTiles(const std::string& path, TiffDirectories which) : path_(path) {
  std::string message;
  const TiffHandle tiff = open_tiff(path, message);
  if (tiff) {
    auto main = main_directories(tiff.get());
    if (which == TiffDirectories::kOmePyramid) {
      levels_ = ome_pyramid(tiff.get(), std::move(main));
      decoder_ = std::make_shared<TiffDecoder>(path);
    } else {
      for (auto& d : main)
        if (d.level.is_jpeg) levels_.push_back(std::move(d.level));
    }
  }
  EOSIN_CHECK(tiff && message.empty(), Data, "[slide] '{}': {}", path, message.empty() ? "not a TIFF" : message);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno(fmt::format("[slide] cannot open '{}'", path), errno);
  file_ = std::shared_ptr<const int>(new int(file), [](const int* f) {
    ::close(*f);
    delete f;
  });
}

void TiffTiles::decode(const TiffLevel& level, int64_t index, uint8_t* rgb) const {
  if (level.is_jpeg)
    decode_jpeg(stream(level, index), level.tile.height, level.tile.width, rgb);
  else
    decoder_->tile(level.directory, level.tile, index, rgb);
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
