#include "data/tissue_absorbance.h"

#include <fmt/format.h>

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace eosin::data {
namespace {

using Curve = std::array<float, 256>;

// Ink: haematoxylin absorbs red at most as much as green, whatever its amount; blue and black pens absorb it more or equally.
constexpr float kRedOfGreen = 1.15f, kRedSlack = 0.08f;
// Nuclei packed side by side do not absorb more red than this at these scales; ink over tissue does.
constexpr float kDenseRed = 1.6f;
// Blood absorbs nearly as much blue as green, but at these scales never as densely as red ink.
constexpr float kBlueOfGreen = 0.8f, kDenseGreen = 1.2f;
constexpr double kSmallestStrokeUm2 = 2500;
constexpr int kInkRim = 5;  // the edge of a stroke is mixed with glass and looks like stain
constexpr double kGlassShare = 0.95;
constexpr int kDarkestGlass = 160;

/// The channel's value that `kGlassShare` of the pixels do not exceed; never darker than glass can be.
int glass_level(const Image& picture, int channel) {
  std::array<int64_t, 256> histogram{};
  for (size_t i = static_cast<size_t>(channel); i < picture.rgb.size(); i += 3) ++histogram[picture.rgb[i]];
  const auto wanted = static_cast<int64_t>(kGlassShare * static_cast<double>(picture.height * picture.width));
  int64_t seen = 0;
  for (int v = 0; v < 256; ++v)
    if ((seen += histogram[static_cast<size_t>(v)]) > wanted) return std::max(v, kDarkestGlass);
  return 255;
}

Curve absorbance_curve(int glass) {
  Curve curve;
  for (int v = 0; v < 256; ++v) curve[static_cast<size_t>(v)] = std::max(0.0f, -std::log(static_cast<float>(v + 1) / static_cast<float>(glass + 1)));
  return curve;
}

bool is_ink(float red, float green, float blue) {
  return red > kRedOfGreen * green + kRedSlack || red > kDenseRed || (green > kDenseGreen && blue > kBlueOfGreen * green);
}

struct Marks {
  cv::Mat stain, ink;  // 0 or 1
};

Marks mark_pixels(const Image& picture, const AbsorbanceConfig& config) {
  const Curve curves[3] = {absorbance_curve(glass_level(picture, 0)), absorbance_curve(glass_level(picture, 1)),
                           absorbance_curve(glass_level(picture, 2))};
  const cv::Size size(static_cast<int>(picture.width), static_cast<int>(picture.height));
  Marks marks{cv::Mat(size, CV_8UC1), cv::Mat(size, CV_8UC1)};
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const uint8_t* p = picture.row(y) + 3 * x;
      const float red = curves[0][p[0]], green = curves[1][p[1]], blue = curves[2][p[2]];
      marks.stain.at<uint8_t>(y, x) = green - std::min(red, blue) >= static_cast<float>(config.min_excess);
      marks.ink.at<uint8_t>(y, x) = is_ink(red, green, blue);
    }
  }
  return marks;
}

/// Sets connected pieces of `value` below `min_pixels` to the other value; returns the number that stays (border-touching ground included).
int64_t drop_small(cv::Mat& mask, uint8_t value, double min_pixels) {
  cv::Mat labels, stats, centres;
  const int n = cv::connectedComponentsWithStats(mask == value, labels, stats, centres, 8, CV_32S);
  int64_t kept = 0;
  std::vector<bool> small(static_cast<size_t>(n), false);
  for (int i = 1; i < n; ++i) {
    small[static_cast<size_t>(i)] = stats.at<int>(i, cv::CC_STAT_AREA) < min_pixels;
    kept += !small[static_cast<size_t>(i)];
  }
  for (int y = 0; y < mask.rows; ++y)
    for (int x = 0; x < mask.cols; ++x)
      if (small[static_cast<size_t>(labels.at<int>(y, x))]) mask.at<uint8_t>(y, x) = 1 - value;
  return kept;
}

Mask to_mask(const cv::Mat& m) {
  Mask mask(m.rows, m.cols);
  for (int y = 0; y < m.rows; ++y) std::copy_n(m.ptr<uint8_t>(y), m.cols, mask.row(y));
  return mask;
}

}  // namespace

void AbsorbanceConfig::validate(config::Problems& p) const {
  if (median % 2 == 0) p.add("median", fmt::format("a median filter has an odd edge (got {}, need {} or {})", median, median - 1, median + 1));
  if (close % 2 == 0) p.add("close", fmt::format("an even closing would move the mask (got {}, need {} or {})", close, close - 1, close + 1));
}

Tissue absorbance_tissue(const Image& picture, const AbsorbanceConfig& config, double mpp) {
  auto [mask, ink] = mark_pixels(picture, config);
  if (config.reject_pen) {
    drop_small(ink, 1, kSmallestStrokeUm2 / (mpp * mpp));  // a stroke is large; a dark fold or a bluish nucleus is not
    cv::dilate(ink, ink, cv::getStructuringElement(cv::MORPH_ELLIPSE, {kInkRim, kInkRim}));
    mask.setTo(0, ink);
  }
  Tissue result;
  result.binary = to_mask(mask);
  cv::medianBlur(mask, mask, static_cast<int>(config.median));
  const auto edge = static_cast<int>(config.close);
  cv::morphologyEx(mask, mask, cv::MORPH_CLOSE, cv::getStructuringElement(cv::MORPH_ELLIPSE, {edge, edge}));
  result.n_regions = drop_small(mask, 1, config.min_region_um2 / (mpp * mpp));
  drop_small(mask, 0, config.max_hole_um2 / (mpp * mpp));
  result.mask = to_mask(mask);
  return result;
}

Tissue segment_absorbance(const AbsorbanceConfig& config, const TissueInput& input) {
  const Size full = input.slide.info().size();
  const auto longest = static_cast<double>(std::max(full.width, full.height));
  const auto edge = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(longest * input.mpp / config.seg_mpp)));
  const Image picture = read_overview(input.slide, edge);
  Tissue result = absorbance_tissue(picture, config, input.mpp * static_cast<double>(full.width) / static_cast<double>(picture.width));
  result.level = input.slide.info().level_for(longest / static_cast<double>(edge));
  return result;
}

}  // namespace eosin::data
