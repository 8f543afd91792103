#pragma once
// Tiles as slides have them, real and made.
#include "core/base/rng.h"
#include "data/jpeg.h"
#include "data/view_presets.h"
#include "tests/checkout.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace eosin::data {

/// Pink ground with violet spots and some noise: smooth and saturated as H&E is.
inline Image synthetic_tile(int64_t size, uint64_t seed) {
  Image image(size, size);
  RandomStream s(seed, 0, 0, RandomOp::kSynthetic);
  std::vector<std::array<double, 3>> spots(40);
  for (auto& c : spots)
    c = {s.uniform_double() * static_cast<double>(size), s.uniform_double() * static_cast<double>(size), 3 + 6 * s.uniform_double()};
  for (int64_t y = 0; y < size; ++y)
    for (int64_t x = 0; x < size; ++x) {
      double dark = 0;
      for (const auto& c : spots) {
        const double d = std::hypot(static_cast<double>(y) - c[0], static_cast<double>(x) - c[1]) - c[2];
        dark = std::max(dark, 1 / (1 + std::exp(d)));
      }
      const std::array<double, 3> pink = {226, 158, 196}, violet = {104, 62, 142};
      for (size_t k = 0; k < 3; ++k)
        image.row(y)[3 * static_cast<size_t>(x) + k] =
            static_cast<uint8_t>(std::clamp(pink[k] + dark * (violet[k] - pink[k]) + 2 * static_cast<double>(s.normal()), 0.0, 255.0));
    }
  return image;
}

/// Up to `count` tiles of real slides, none where the test data is absent.
inline std::vector<Image> real_tiles(size_t count) {
  const char* env = std::getenv("EOSIN_TEST_DATA");
  const std::filesystem::path root = std::filesystem::path(env ? env : source_dir() + "/../shared/data") / "patches-atlas";
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(root))
    for (const auto& e : std::filesystem::recursive_directory_iterator(root))
      if (e.path().extension() == ".jpg" || e.path().extension() == ".jpeg") paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Image> tiles;
  for (size_t i = 0; i < paths.size() && tiles.size() < count; i += std::max<size_t>(1, paths.size() / count)) {
    std::ifstream file(paths[i], std::ios::binary);
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), {});
    decode_jpeg(bytes, tiles.emplace_back());
  }
  return tiles;
}

/// Views without normalisation, so that differences are told in grey levels.
inline MultiCropConfig levels(MultiCropConfig config) {
  config.mean = {0, 0, 0}, config.std = {1, 1, 1};
  return config;
}

}  // namespace eosin::data
