#include "data/tissue_clam.h"

#include "core/base/error.h"
#include "data/hsv.h"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>

namespace eosin::data {
namespace {

using Contour = std::vector<cv::Point>;

constexpr double kBestDownsample = 64;
constexpr int64_t kLargestMedian = 255;

cv::Mat saturation(const Image& picture) {
  cv::Mat s(static_cast<int>(picture.height), static_cast<int>(picture.width), CV_8UC1);
  for (int y = 0; y < s.rows; ++y)
    for (int x = 0; x < s.cols; ++x) s.at<uint8_t>(y, x) = rgb_to_hsv(picture.row(y) + 3 * x).s;
  return s;
}

/// 1 where the median-filtered saturation is above the threshold.
cv::Mat threshold_saturation(const Image& picture, int64_t median, int64_t threshold, bool otsu) {
  EOSIN_CHECK(picture.height > 0 && picture.width > 0, Shape, "[tissue] the picture has no pixels (got {} x {})", picture.width, picture.height);
  EOSIN_CHECK(median > 0 && median % 2 == 1 && median <= kLargestMedian, Config,
              "[tissue] mthresh is no edge of a median filter (got {}, need an odd number of 1 to {})", median, kLargestMedian);
  cv::Mat s = saturation(picture), binary;
  cv::medianBlur(s, s, static_cast<int>(median));
  cv::threshold(s, binary, static_cast<double>(threshold), 1, otsu ? cv::THRESH_OTSU : cv::THRESH_BINARY);
  return binary;
}

Mask to_mask(const cv::Mat& m) {
  Mask mask(m.rows, m.cols);
  for (int y = 0; y < m.rows; ++y) std::copy_n(m.ptr<uint8_t>(y), m.cols, mask.row(y));
  return mask;
}

struct Region {
  Contour border;
  std::vector<Contour> holes;
};

/// Outer borders with their holes (two-level hierarchy).
std::vector<Region> find_regions(const cv::Mat& binary) {
  std::vector<Contour> contours;
  std::vector<cv::Vec4i> hierarchy;  // next, previous, first child, parent
  cv::findContours(binary, contours, hierarchy, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE);
  std::vector<Region> regions;
  for (size_t i = 0; i < contours.size(); ++i) {
    if (hierarchy[i][3] >= 0) continue;
    Region region{contours[i], {}};
    for (int h = hierarchy[i][2]; h >= 0; h = hierarchy[static_cast<size_t>(h)][0]) region.holes.push_back(contours[static_cast<size_t>(h)]);
    regions.push_back(std::move(region));
  }
  return regions;
}

Outline to_outline(const Contour& contour) {
  Outline outline;
  for (const cv::Point& p : contour) outline.push_back({p.x, p.y});
  return outline;
}

TissueRegion to_tissue_region(const Region& region) {
  TissueRegion result{to_outline(region.border), {}};
  for (const Contour& hole : region.holes) result.holes.push_back(to_outline(hole));
  return result;
}

/// CLAM's choice: regions by net area, then of each the largest holes. `unit` is the area that a_t and a_h count in.
std::vector<Region> choose(std::vector<Region> regions, const ClamConfig& config, double unit) {
  std::vector<Region> kept;
  for (Region& r : regions) {
    double net = cv::contourArea(r.border);
    for (const Contour& h : r.holes) net -= cv::contourArea(h);
    if (net == 0 || !(net > config.a_t * unit)) continue;
    std::stable_sort(r.holes.begin(), r.holes.end(), [](const Contour& a, const Contour& b) { return cv::contourArea(a) > cv::contourArea(b); });
    if (r.holes.size() > static_cast<size_t>(config.max_n_holes)) r.holes.resize(static_cast<size_t>(config.max_n_holes));
    std::erase_if(r.holes, [&](const Contour& h) { return !(cv::contourArea(h) > config.a_h * unit); });
    kept.push_back(std::move(r));
  }
  return kept;
}

/// Adds the pixels inside or on the border and not strictly inside a hole.
void paint(const Region& region, cv::Mat& mask) {
  const cv::Rect box = cv::boundingRect(region.border);
  const cv::Point shift = -box.tl();
  cv::Mat inside = cv::Mat::zeros(box.size(), CV_8UC1);
  cv::fillPoly(inside, std::vector<Contour>{region.border}, cv::Scalar(1), cv::LINE_8, 0, shift);
  for (const Contour& hole : region.holes) {
    cv::Mat open = cv::Mat::zeros(box.size(), CV_8UC1);
    cv::fillPoly(open, std::vector<Contour>{hole}, cv::Scalar(1), cv::LINE_8, 0, shift);
    for (const cv::Point& p : hole) open.at<uint8_t>(p + shift) = 0;
    inside.setTo(0, open);
  }
  mask(box).setTo(1, inside);
}

int segmentation_level(const SlideReader& slide, int64_t seg_level) {
  return seg_level < 0 ? slide.info().level_for(kBestDownsample) : static_cast<int>(seg_level);
}

void require_odd(config::Problems& p, int64_t mthresh) {
  if (mthresh % 2 == 0) p.add("mthresh", fmt::format("a median filter has an odd edge (got {}, need {} or {})", mthresh, mthresh - 1, mthresh + 1));
}

}  // namespace

ClamConfig ClamConfig::tcga() {
  ClamConfig c;
  c.a_t = 16;
  c.a_h = 4;
  return c;
}

ClamConfig ClamConfig::bwh_biopsy() {
  ClamConfig c;
  c.sthresh = 15;
  c.mthresh = 11;
  c.close = 2;
  c.a_t = 1;
  c.a_h = 1;
  c.max_n_holes = 2;
  return c;
}

ClamConfig ClamConfig::bwh_resection() {
  ClamConfig c;
  c.sthresh = 15;
  c.mthresh = 11;
  return c;
}

void ClamConfig::validate(config::Problems& p) const { require_odd(p, mthresh); }
void HsvOtsuConfig::validate(config::Problems& p) const { require_odd(p, mthresh); }

Tissue clam_tissue(const Image& picture, const ClamConfig& config, double downsample_x, double downsample_y) {
  EOSIN_CHECK(config.close >= 0 && config.max_n_holes >= 0 && config.ref_patch_size > 0, Config,
              "[tissue] close and max_n_holes count from 0, ref_patch_size from 1 (got {}, {}, {})", config.close, config.max_n_holes,
              config.ref_patch_size);
  EOSIN_CHECK(downsample_x > 0 && downsample_y > 0, Config, "[tissue] a downsample must be positive (got {} x {})", downsample_x, downsample_y);
  cv::Mat binary = threshold_saturation(picture, config.mthresh, config.sthresh, config.use_otsu);
  if (config.close > 0) {
    const auto edge = static_cast<int>(config.close);
    cv::morphologyEx(binary, binary, cv::MORPH_CLOSE, cv::Mat::ones(edge, edge, CV_8UC1));
  }
  const auto ref = static_cast<double>(config.ref_patch_size);
  const double unit = std::trunc(ref * ref / (downsample_x * downsample_y));
  Tissue result;
  result.binary = to_mask(binary);
  cv::Mat mask = cv::Mat::zeros(binary.size(), CV_8UC1);
  for (const Region& region : choose(find_regions(binary), config, unit)) {
    paint(region, mask);
    ++result.n_regions;
    result.n_holes += static_cast<int64_t>(region.holes.size());
    result.regions.push_back(to_tissue_region(region));
  }
  result.mask = to_mask(mask);
  return result;
}

std::vector<TissueRegion> tissue_regions(const Mask& mask) {
  const cv::Mat cells(static_cast<int>(mask.height), static_cast<int>(mask.width), CV_8UC1, const_cast<uint8_t*>(mask.cells.data()));
  std::vector<TissueRegion> regions;
  for (const Region& region : find_regions(cells)) regions.push_back(to_tissue_region(region));
  return regions;
}

Tissue segment_clam(const ClamConfig& config, const TissueInput& input) {
  const int level = segmentation_level(input.slide, config.seg_level);
  const Image picture = read_level(input.slide, level);
  const Size full = input.slide.info().size();
  Tissue result = clam_tissue(picture, config, static_cast<double>(full.width) / static_cast<double>(picture.width),
                              static_cast<double>(full.height) / static_cast<double>(picture.height));
  result.level = level;
  return result;
}

Tissue hsv_otsu_tissue(const Image& picture, const HsvOtsuConfig& config) {
  Tissue result;
  result.binary = to_mask(threshold_saturation(picture, config.mthresh, 0, true));
  result.mask = result.binary;
  return result;
}

Tissue segment_hsv_otsu(const HsvOtsuConfig& config, const TissueInput& input) {
  const int level = segmentation_level(input.slide, config.seg_level);
  Tissue result = hsv_otsu_tissue(read_level(input.slide, level), config);
  result.level = level;
  return result;
}

}  // namespace eosin::data
