#include "data/crop_box.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace eosin::data {
namespace {

Box central_box(int64_t height, int64_t width, const CropRule& rule) {
  const double h = static_cast<double>(height), w = static_cast<double>(width);
  Box box{0, 0, height, width};
  if (w / h < rule.ratio[0])
    box.height = std::llrint(w / rule.ratio[0]);
  else if (w / h > rule.ratio[1])
    box.width = std::llrint(h * rule.ratio[1]);
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

int64_t place(double u, int64_t room) { return std::min(static_cast<int64_t>(std::floor(u * static_cast<double>(room + 1))), room); }

}  // namespace

Box random_box(int64_t height, int64_t width, const CropRule& rule, std::span<const double, kBoxDraws> u) {
  EOSIN_CHECK(height > 0 && width > 0, Shape, "[crop] the picture is empty (got {}x{})", height, width);
  const double area = static_cast<double>(height * width);
  const double log_low = std::log(rule.ratio[0]), log_high = std::log(rule.ratio[1]);
  for (size_t t = 0; t < 10; ++t) {
    const double target = area * (rule.scale[0] + (rule.scale[1] - rule.scale[0]) * u[2 * t]);
    const double ratio = std::exp(log_low + (log_high - log_low) * u[2 * t + 1]);
    const int64_t w = std::llrint(std::sqrt(target * ratio)), h = std::llrint(std::sqrt(target / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) return {place(u[20], height - h), place(u[21], width - w), h, w};
  }
  return central_box(height, width, rule);
}

std::vector<Box> multi_crop_boxes(int64_t height, int64_t width, const CropRule& global, int64_t n_global, const CropRule& local, int64_t n_local,
                                  std::span<const double> u) {
  EOSIN_CHECK(u.size() == static_cast<size_t>(n_global + n_local) * kBoxDraws, Shape, "[crop] need {} draws a box (got {} for {} boxes)", kBoxDraws,
              u.size(), n_global + n_local);
  std::vector<Box> boxes;
  for (int64_t k = 0; k < n_global + n_local; ++k)
    boxes.push_back(random_box(height, width, k < n_global ? global : local, u.subspan(static_cast<size_t>(k) * kBoxDraws).first<kBoxDraws>()));
  return boxes;
}

}  // namespace eosin::data
