#pragma once
// Micrometres per pixel of a slide: where it comes from is always stated, and never guessed in silence.
#include "data/slide_reader.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

struct Scale {
  double mpp = 0;  // of level 0, mean of x and y
  double mpp_x = 0, mpp_y = 0;
  std::string source;                 // "csv", "openslide.mpp", "aperio.MPP", ..., "objective", "assume_mpp"
  std::vector<std::string> warnings;  // what a careful reader of the slide's record should know
};

/// The first source that gives a plausible value: the user's CSV, openslide.mpp-x/-y, aperio.MPP, hamamatsu.XResolution, OME
/// PhysicalSizeX or PixelSizeMicrons, TIFF resolution in cm or inches, DICOM pixel spacing, 10 / objective, assume_mpp.
/// Values below 0.02 or above 50 um are placeholders and skipped.
/// Errors   Data naming the properties looked at and the two ways to give the scale, if there is none.
/// Checked  tests/data/test_slide_scale.cpp.
Scale resolve_scale(const SlideInfo& info, std::optional<double> user_mpp = {}, std::optional<double> assume_mpp = {});

/// Other programs' word for scale: 10 / mpp, rounded; 0 if unknown.
inline int64_t magnification_of(double mpp) { return mpp > 0 ? std::lround(10 / mpp) : 0; }

/// A decimal number > 0 that fills the whole text, else nothing.
std::optional<double> parse_positive(const std::string& text);
/// A number of micrometres per pixel in [0.02, 50], else nothing.
std::optional<double> plausible_mpp(const std::string& text);

}  // namespace eosin::data
