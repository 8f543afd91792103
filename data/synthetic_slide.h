#pragma once
// A slide that never was: tissue of several classes with haematoxylin and eosin, drawn from a seed.
//
// Goals      classes differ in texture (how many nuclei, how large, how arranged), not only in colour; every pixel is a pure function of
//            the specification; looks like H&E to a person and to a tissue finder.
// Non-goals  fooling a pathologist.
#include "data/image.h"
#include "data/mask.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

/// A disc with a wavy edge, in level-0 pixels.
struct PlantedRegion {
  double x = 0, y = 0, radius = 0;
};

/// Colour of a laboratory and scanner: absorbance of one unit of stain (R, G, B), amounts, and the glass.
struct StainLook {
  std::array<float, 3> haematoxylin = {0.65f, 0.70f, 0.29f};
  std::array<float, 3> eosin = {0.14f, 0.95f, 0.34f};
  float haematoxylin_amount = 1, eosin_amount = 1;
  std::array<float, 3> glass = {244, 242, 243};
};

/// A pen stroke: a quadratic Bezier curve from `from` over `over` to `to`, level-0 pixels.
struct PenMark {
  std::array<double, 2> from{}, over{}, to{};
  double width = 0;
  std::array<float, 3> ink{};  // share of light that passes, R, G, B
  std::string name;            // "blue", "green", "black"
};

struct SyntheticSlideSpec {
  uint64_t seed = 0;
  int64_t width = 4096, height = 3072;
  double mpp = 0.5;
  double tumour_share = 0;              // about this share of the tissue is tumour; the rest has glands in stroma
  std::vector<PlantedRegion> lymphoid;  // small dense aggregates of lymphocytes
  std::vector<PenMark> pen;
  StainLook look;
};

struct SyntheticSlide {
  Image image;
  Mask tissue, tumour, lymphoid;  // the truth, one cell for kTruthDownsample pixels
};
inline constexpr int64_t kTruthDownsample = 16;

/// Draws the slide.
/// Checked  tests/data/test_synthetic.cpp.
SyntheticSlide draw_slide(const SyntheticSlideSpec& spec);

}  // namespace eosin::data
