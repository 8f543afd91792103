#pragma once
// RandStainNA (Shen et al. 2022, arXiv:2206.12694): the colour statistics of a picture become those of a drawn, plausible picture.
#include <string>
#include <vector>

#include "core/base/config.h"
#include "core/base/rng.h"
#include "data/image.h"
#include "data/matrix3.h"

namespace eosin::data {

enum class ColorSpace { kLab, kHsv, kHed };
/// "LAB", "HSV", "HED".
ColorSpace color_space_by_name(const std::string& name);

/// What a cohort's pictures are like: mean and deviation, over the pictures, of each channel's mean and of its deviation. The defaults are the
/// authors' in 8-bit L*a*b*; `eosin store stain-fit` measures others.
struct ColorCohort {
  std::string space = "LAB";
  std::vector<double> mean = {158.0, 151.2, 116.8}, mean_std = {48.8, 11.0, 6.6};
  std::vector<double> std = {36.9, 8.1, 6.1}, std_std = {14.4, 2.8, 2.0};
  void visit(config::Visitor& v);
};

/// Mean and population deviation of the three channels.
struct ColorStatistics {
  ColorSpace space = ColorSpace::kLab;
  Triple mean{}, std{};
  bool operator==(const ColorStatistics&) const = default;
};

/// LAB and HSV as OpenCV's 8 bits, HED as skimage's amounts.
ColorStatistics color_statistics(ImageView image, ColorSpace space);

/// Normal draws; a deviation below zero is mirrored.
ColorStatistics draw_statistics(const ColorCohort& cohort, RandomStream& stream);

/// Gives each channel the target's mean and deviation. HED is stretched to 0..255 afterwards, as the authors do; a picture of one
/// colour stays.
///
/// Differs  RGB in, RGB out: the authors' code returns BGR.
/// Checked  golden data.randstainna.
void randstainna(Image& image, const ColorStatistics& target);

/// A cohort from the statistics of its pictures. Needs at least one.
ColorCohort cohort_of(const std::vector<ColorStatistics>& pictures);

}  // namespace eosin::data
