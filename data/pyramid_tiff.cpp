#include "data/pyramid_tiff.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"

#include <tiffio.h>

#include <algorithm>
#include <memory>

namespace eosin::data {
namespace {

constexpr int64_t kSmallestEdge = 16;

using Tiff = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

void set_tags(TIFF* tiff, const ImageView& level, int64_t downsample, const PyramidSettings& s) {
  const bool reduced = downsample > 1;
  TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, reduced ? FILETYPE_REDUCEDIMAGE : 0);
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(level.width));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(level.height));
  TIFFSetField(tiff, TIFFTAG_TILEWIDTH, static_cast<uint32_t>(s.tile_size));
  TIFFSetField(tiff, TIFFTAG_TILELENGTH, static_cast<uint32_t>(s.tile_size));
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  if (!reduced && !s.description.empty()) TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, s.description.c_str());
  if (s.mpp > 0) {
    const double pixels_a_cm = 1e4 / (s.mpp * static_cast<double>(downsample));
    TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_CENTIMETER);
    TIFFSetField(tiff, TIFFTAG_XRESOLUTION, pixels_a_cm);
    TIFFSetField(tiff, TIFFTAG_YRESOLUTION, pixels_a_cm);
  }
  if (s.compression == TiffCompression::kDeflate) {
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    return;
  }
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_JPEG);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_YCBCR);
  TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, 2, 2);
  TIFFSetField(tiff, TIFFTAG_JPEGQUALITY, s.jpeg_quality);
  TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}

/// The tile at (x, y); beyond the picture its last pixels are repeated.
void copy_tile(const ImageView& level, int64_t x, int64_t y, int64_t edge, uint8_t* out) {
  for (int64_t v = 0; v < edge; ++v) {
    const uint8_t* row = level.row(std::min(y + v, level.height - 1));
    for (int64_t u = 0; u < edge; ++u) std::copy_n(row + 3 * std::min(x + u, level.width - 1), 3, out + 3 * (v * edge + u));
  }
}

void write_level(TIFF* tiff, const std::string& path, const ImageView& level, int64_t downsample, const PyramidSettings& s) {
  set_tags(tiff, level, downsample, s);
  std::vector<uint8_t> tile(static_cast<size_t>(3 * s.tile_size * s.tile_size));
  bool ok = true;
  for (int64_t y = 0; y < level.height; y += s.tile_size) {
    for (int64_t x = 0; x < level.width; x += s.tile_size) {
      copy_tile(level, x, y, s.tile_size, tile.data());
      ok = ok && TIFFWriteTile(tiff, tile.data(), static_cast<uint32_t>(x), static_cast<uint32_t>(y), 0, 0) >= 0;
    }
  }
  EOSIN_CHECK(ok && TIFFWriteDirectory(tiff), Io, "[tiff] cannot write '{}'; is the disk full?", path);
}

}  // namespace

Image box_downsample(const ImageView& image, int64_t factor) {
  Image out(image.height / factor, image.width / factor);
  const auto n = static_cast<uint32_t>(factor * factor);
  for (int64_t y = 0; y < out.height; ++y) {
    std::vector<uint32_t> sums(static_cast<size_t>(3 * out.width), n / 2);
    for (int64_t v = 0; v < factor; ++v) {
      const uint8_t* row = image.row(y * factor + v);
      for (int64_t x = 0; x < out.width; ++x)
        for (int64_t u = 0; u < factor; ++u)
          for (int c = 0; c < 3; ++c) sums[static_cast<size_t>(3 * x + c)] += row[3 * (x * factor + u) + c];
    }
    std::transform(sums.begin(), sums.end(), out.row(y), [n](uint32_t sum) { return static_cast<uint8_t>(sum / n); });
  }
  return out;
}

void write_pyramid_tiff(const std::string& path, const ImageView& image, const PyramidSettings& settings) {
  EOSIN_CHECK(image.height > 0 && image.width > 0, Shape, "[tiff] the picture for '{}' is empty", path);
  EOSIN_CHECK(settings.tile_size > 0 && settings.tile_size % 16 == 0, Shape, "[tiff] tile size must be a multiple of 16 (got {})",
              settings.tile_size);
  write_beside(path, [&](const std::string& temporary) {
    Tiff tiff(TIFFOpen(temporary.c_str(), "w"), TIFFClose);
    EOSIN_CHECK(tiff, Io, "[tiff] cannot create '{}'", temporary);
    Image reduced;
    int64_t have = 1;
    for (const int64_t downsample : settings.downsamples) {
      if (downsample > 1) reduced = box_downsample(have == 1 ? image : ImageView(reduced), downsample / have);
      const ImageView level = downsample > 1 ? ImageView(reduced) : image;
      if (downsample > 1 && std::min(level.height, level.width) < kSmallestEdge) break;
      write_level(tiff.get(), temporary, level, downsample, settings);
      have = downsample;
    }
  });
}

}  // namespace eosin::data
