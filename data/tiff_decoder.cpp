#include "data/tiff_decoder.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::data {

bool can_decode(TIFF* tiff) {
  uint16_t compression = 0;
  if (!TIFFGetField(tiff, TIFFTAG_COMPRESSION, &compression)) return false;
  constexpr uint16_t kKnown[] = {COMPRESSION_NONE,     COMPRESSION_LZW,  COMPRESSION_ADOBE_DEFLATE,
                                 COMPRESSION_PACKBITS, COMPRESSION_ZSTD, COMPRESSION_DEFLATE};
  return std::find(std::begin(kKnown), std::end(kKnown), compression) != std::end(kKnown) && TIFFIsCODECConfigured(compression);
}

std::unique_ptr<TiffDecoder::Handle> TiffDecoder::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  auto handle = std::make_unique<Handle>();
  handle->tiff = open_tiff(path_, handle->message);
  EOSIN_CHECK(handle->tiff, Data, "[slide] '{}': {}", path_, handle->message);
  return handle;
}

void TiffDecoder::give_back(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(handle));
}

void TiffDecoder::tile(uint64_t directory, Size size, int64_t index, uint8_t* rgb) {
  auto handle = take();  // one that fails is not given back
  TIFF* tiff = handle->tiff.get();
  const bool there = handle->directory == directory || TIFFSetSubDirectory(tiff, directory);
  EOSIN_CHECK(there, Data, "its directory cannot be read again: {}", handle->message);
  handle->directory = directory;

  uint16_t layout = PLANARCONFIG_CONTIG;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout);
  const int64_t pixels = size.width * size.height, planes = layout == PLANARCONFIG_SEPARATE ? 3 : 1;
  EOSIN_CHECK(TIFFTileSize(tiff) == pixels * 3 / planes, Data, "a tile has {} bytes (need {})", TIFFTileSize(tiff), pixels * 3 / planes);
  const auto per_plane = static_cast<int64_t>(TIFFNumberOfTiles(tiff)) / planes;
  std::vector<uint8_t> plane(planes > 1 ? static_cast<size_t>(pixels) : 0);
  for (int64_t c = 0; c < planes; ++c) {
    uint8_t* to = planes > 1 ? plane.data() : rgb;
    const auto bytes = TIFFReadEncodedTile(tiff, static_cast<uint32_t>(c * per_plane + index), to, pixels * 3 / planes);
    EOSIN_CHECK(bytes == pixels * 3 / planes && handle->message.empty(), Data, "tile {} cannot be decoded: {}", index,
                handle->message.empty() ? "it is too short" : handle->message);
    for (int64_t i = 0; planes > 1 && i < pixels; ++i) rgb[3 * i + c] = plane[static_cast<size_t>(i)];
  }
  give_back(std::move(handle));
}

}  // namespace eosin::data
