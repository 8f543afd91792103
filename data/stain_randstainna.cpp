#include "data/stain_randstainna.h"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "data/hed_jitter.h"
#include "data/tone.h"

namespace eosin::data {
namespace {

constexpr double kLeastStd = 0.0001, kMostStd = 255;
constexpr const char* kSpaceNames[] = {"LAB", "HSV", "HED"};

cv::Mat mat_of(Image& image) { return {static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3, image.rgb.data()}; }

Image copied(ImageView image) {
  Image out(image.height, image.width);
  for (int64_t y = 0; y < image.height; ++y) std::copy_n(image.row(y), 3 * image.width, out.row(y));
  return out;
}

void convert(Image& image, int code) {
  cv::Mat pixels = mat_of(image);
  cv::cvtColor(pixels, pixels, code);
}
void to_space(Image& image, ColorSpace space) { convert(image, space == ColorSpace::kLab ? cv::COLOR_RGB2Lab : cv::COLOR_RGB2HSV); }
void from_space(Image& image, ColorSpace space) { convert(image, space == ColorSpace::kLab ? cv::COLOR_Lab2RGB : cv::COLOR_HSV2RGB); }

/// Sums over the levels instead of over the pixels.
ColorStatistics statistics_of_levels(const Image& image, ColorSpace space) {
  std::array<std::array<int64_t, 256>, 3> counts{};
  for (size_t i = 0; i < image.rgb.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) ++counts[c][image.rgb[i + c]];
  const auto n = static_cast<double>(image.height * image.width);
  ColorStatistics s{space, {}, {}};
  for (size_t c = 0; c < 3; ++c) {
    for (size_t v = 0; v < 256; ++v) s.mean[c] += static_cast<double>(counts[c][v]) * static_cast<double>(v);
    s.mean[c] /= n;
    for (size_t v = 0; v < 256; ++v) s.std[c] += static_cast<double>(counts[c][v]) * std::pow(static_cast<double>(v) - s.mean[c], 2);
    s.std[c] = std::sqrt(s.std[c] / n);
  }
  return s;
}

ColorStatistics statistics_of_planes(Planes image) {
  const auto n = static_cast<double>(image.size());
  ColorStatistics s{ColorSpace::kHed, {}, {}};
  for (size_t c = 0; c < 3; ++c) {
    const float *begin = image.plane(static_cast<int64_t>(c)), *end = begin + image.size();
    for (const float* p = begin; p != end; ++p) s.mean[c] += static_cast<double>(*p);
    s.mean[c] /= n;
    for (const float* p = begin; p != end; ++p) s.std[c] += std::pow(static_cast<double>(*p) - s.mean[c], 2);
    s.std[c] = std::sqrt(s.std[c] / n);
  }
  return s;
}

/// Scale and shift that give a channel the target's statistics.
struct Channel {
  double scale, shift;
  Channel(const ColorStatistics& from, const ColorStatistics& to, size_t c)
      : scale(to.std[c] / std::clamp(from.std[c], kLeastStd, kMostStd)), shift(to.mean[c] - from.mean[c] * scale) {}
};

/// Amounts of the three stains; the memory belongs to the thread.
Planes hed_planes(ImageView image) {
  thread_local std::vector<float> memory;
  memory.resize(static_cast<size_t>(3 * image.height * image.width));
  const Planes planes{memory.data(), image.height, image.width};
  to_planes(image, planes);
  rgb_to_hed(planes);
  return planes;
}

void shift_levels(Image& image, const ColorStatistics& target) {
  to_space(image, target.space);
  const ColorStatistics from = statistics_of_levels(image, target.space);
  std::array<std::array<uint8_t, 256>, 3> table;
  for (size_t c = 0; c < 3; ++c) {
    const Channel channel(from, target, c);
    for (size_t v = 0; v < 256; ++v)
      table[c][v] = static_cast<uint8_t>(std::clamp(static_cast<double>(v) * channel.scale + channel.shift, 0.0, 255.0));
  }
  for (size_t i = 0; i < image.rgb.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) image.rgb[i + c] = table[c][image.rgb[i + c]];
  from_space(image, target.space);
}

void shift_stains(Image& image, const ColorStatistics& target) {
  const Planes hed = hed_planes(image);
  const ColorStatistics from = statistics_of_planes(hed);
  for (size_t c = 0; c < 3; ++c) {
    const Channel channel(from, target, c);
    const auto scale = static_cast<float>(channel.scale), shift = static_cast<float>(channel.shift);
    float* p = hed.plane(static_cast<int64_t>(c));
    for (int64_t i = 0; i < hed.size(); ++i) p[i] = p[i] * scale + shift;
  }
  hed_to_rgb(hed);
  const auto [low, high] = std::minmax_element(hed.data, hed.data + 3 * hed.size());
  const float least = *low, range = *high - *low;
  if (!(range > 0)) return;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < hed.size(); ++i)
      image.rgb[static_cast<size_t>(3 * i + c)] = static_cast<uint8_t>((hed.plane(c)[i] - least) / range * 255.0f);
}

}  // namespace

ColorSpace color_space_by_name(const std::string& name) {
  for (const ColorSpace space : {ColorSpace::kLab, ColorSpace::kHsv, ColorSpace::kHed})
    if (name == kSpaceNames[static_cast<size_t>(space)]) return space;
  fail(ErrorKind::Config, "[randstainna] no colour space of this name (got '{}', need LAB, HSV or HED)", name);
}

void ColorCohort::visit(config::Visitor& v) {
  const config::Range value{-1000, 1000}, positive{0, 1000};
  const config::Length three{3, 3};
  v("space", space, "colour space: LAB and HSV in OpenCV's 8 bits, HED as skimage", config::OneOf{{"LAB", "HSV", "HED"}});
  v("mean", mean, "mean, over the cohort's pictures, of a channel's mean", value, three);
  v("mean_std", mean_std, "deviation, over the pictures, of a channel's mean", positive, three);
  v("std", std, "mean, over the pictures, of a channel's deviation", positive, three);
  v("std_std", std_std, "deviation, over the pictures, of a channel's deviation", positive, three);
}

ColorStatistics color_statistics(ImageView image, ColorSpace space) {
  if (space == ColorSpace::kHed) return statistics_of_planes(hed_planes(image));
  Image levels = copied(image);
  to_space(levels, space);
  return statistics_of_levels(levels, space);
}

ColorStatistics draw_statistics(const ColorCohort& cohort, RandomStream& stream) {
  ColorStatistics s{color_space_by_name(cohort.space), {}, {}};
  for (size_t c = 0; c < 3; ++c) s.mean[c] = cohort.mean[c] + cohort.mean_std[c] * static_cast<double>(stream.normal());
  for (size_t c = 0; c < 3; ++c) s.std[c] = std::abs(cohort.std[c] + cohort.std_std[c] * static_cast<double>(stream.normal()));
  return s;
}

void randstainna(Image& image, const ColorStatistics& target) {
  if (image.rgb.empty()) return;
  target.space == ColorSpace::kHed ? shift_stains(image, target) : shift_levels(image, target);
}

ColorCohort cohort_of(const std::vector<ColorStatistics>& pictures) {
  EOSIN_ASSERT(!pictures.empty());
  const auto n = static_cast<double>(pictures.size());
  const auto mean_and_std = [&](Triple ColorStatistics::*member, std::vector<double>& mean, std::vector<double>& std) {
    for (size_t c = 0; c < 3; ++c) {
      double sum = 0, squares = 0;
      for (const auto& p : pictures) sum += (p.*member)[c];
      for (const auto& p : pictures) squares += std::pow((p.*member)[c] - sum / n, 2);
      mean[c] = sum / n, std[c] = std::sqrt(squares / n);
    }
  };
  ColorCohort cohort;
  cohort.space = kSpaceNames[static_cast<size_t>(pictures.front().space)];
  mean_and_std(&ColorStatistics::mean, cohort.mean, cohort.mean_std);
  mean_and_std(&ColorStatistics::std, cohort.std, cohort.std_std);
  return cohort;
}

}  // namespace eosin::data
