#pragma once
// Pictures of two known stains.
#include "core/base/rng.h"
#include "data/image.h"
#include "data/stain_vectors.h"

#include <algorithm>
#include <cmath>

namespace eosin::data {

inline StainVectors test_stains() { return make_stain_vectors(unit({0.65, 0.70, 0.29}), unit({0.27, 0.90, 0.35})); }

/// Nuclei on stroma: in a third of the pixels much haematoxylin, in the others eosin, with glass where `glass` says.
inline Image stained_picture(int64_t height, int64_t width, const StainVectors& stains, double strength = 1, uint64_t seed = 1, double glass = 0.1) {
  Image image(height, width);
  RandomStream s(seed, 0, 0, RandomOp::kSynthetic);
  const Triple h = stains.column(0), e = stains.column(1);
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    const bool nucleus = s.uniform_double() < 1.0 / 3, is_glass = s.uniform_double() < glass;
    double amounts[2] = {(nucleus ? 1.6 : 0.02) * s.uniform_double(), (nucleus ? 0.02 : 1.2) * s.uniform_double()};
    for (double& a : amounts) a = is_glass ? 0 : a * strength + (a > 0.05 ? 0.3 : 0);
    for (size_t c = 0; c < 3; ++c)
      image.rgb[i + c] = static_cast<uint8_t>(std::clamp(240 * std::exp(-amounts[0] * h[c] - amounts[1] * e[c]), 0.0, 255.0));
  }
  return image;
}

inline Image flat_picture(int64_t height, int64_t width, std::array<uint8_t, 3> rgb) {
  Image image(height, width);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = rgb[i % 3];
  return image;
}

/// Largest and mean difference of two pictures, in levels.
struct LevelDistance {
  int most = 0;
  double mean = 0;
};
inline LevelDistance level_distance(const Image& a, const Image& b) {
  LevelDistance d;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const int difference = std::abs(int{a.rgb[i]} - int{b.rgb[i]});
    d.most = std::max(d.most, difference);
    d.mean += difference / static_cast<double>(a.rgb.size());
  }
  return d;
}

}  // namespace eosin::data
