#pragma once
// Small slides for tests, written by the test.
#include "core/base/atomic_file.h"
#include "data/pyramid_tiff.h"
#include "data/synthetic_slide.h"
#include "tests/checkout.h"
#include "tests/temporary_folder.h"

#include <cstdlib>
#include <filesystem>
#include <string>

namespace eosin::data {

/// A drawn slide of 0.5 um a pixel with tissue of about a third of its area.
inline SyntheticSlideSpec small_spec(uint64_t seed, int64_t width = 1100, int64_t height = 900) {
  SyntheticSlideSpec spec;
  spec.seed = seed;
  spec.width = width;
  spec.height = height;
  spec.tumour_share = seed % 2 == 0 ? 0.7 : 0;
  return spec;
}

inline std::string write_slide(const std::string& path, const ImageView& image, double mpp, TiffCompression compression = TiffCompression::kJpeg) {
  PyramidSettings settings;
  settings.mpp = mpp;
  settings.downsamples = {1, 4};
  settings.compression = compression;
  write_pyramid_tiff(path, image, settings);
  return path;
}

inline std::string write_drawn_slide(const std::string& path, const SyntheticSlideSpec& spec) {
  return write_slide(path, draw_slide(spec).image, spec.mpp);
}

/// A picture in which every pixel tells its place.
inline Image ramp(int64_t height, int64_t width) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* p = image.row(y) + 3 * x;
      p[0] = static_cast<uint8_t>(x);
      p[1] = static_cast<uint8_t>(y);
      p[2] = static_cast<uint8_t>(x / 256 * 16 + y / 256);
    }
  return image;
}

inline Image plain(int64_t height, int64_t width, uint8_t value) {
  Image image(height, width);
  std::fill(image.rgb.begin(), image.rgb.end(), value);
  return image;
}

/// A file of the shared test data, or empty if it is not there.
inline std::string real_slide(const std::string& name) {
  const char* folder = std::getenv("EOSIN_TEST_DATA");
  const std::filesystem::path root = folder ? std::filesystem::path(folder) : std::filesystem::path(source_dir()) / "../shared/data";
  const std::filesystem::path path = root / "wsi" / name;
  return std::filesystem::exists(path) ? path.string() : std::string();
}

}  // namespace eosin::data
