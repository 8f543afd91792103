#include "data/gaussian_blur.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/base/error.h"
#include "core/kernels/blur_element.h"
#include "data/lanes.h"

namespace eosin::data {
namespace {

// ------------------------------------------------------------------------------------------------ Pillow's boxes
/// A box of fractional radius: 2 * r + 1 whole pixels and a share of one more on each side, in 24-bit fixed point.
struct ExtendedBox {
  float radius;
  int64_t r;
  uint32_t whole, edge;
};

ExtendedBox extended_box(double radius) {
  EOSIN_CHECK(radius >= 0 && std::isfinite(radius), Config, "[blur] the radius must be finite and not negative (got {})", radius);
  ExtendedBox box;
  box.radius = kernels::extended_radius(radius);
  box.r = static_cast<int64_t>(box.radius);
  box.whole = static_cast<uint32_t>((1 << 24) / (box.radius * 2 + 1));
  box.edge = static_cast<uint32_t>(((1 << 24) - static_cast<int64_t>(box.r * 2 + 1) * box.whole) / 2);
  return box;
}

/// One pass along a line of `n` pixels that lie `step` bytes apart.
void box_line(const uint8_t* in, uint8_t* out, int64_t n, int64_t step, const ExtendedBox& box) {
  const auto at = [&](int64_t i) -> uint32_t { return in[std::clamp<int64_t>(i, 0, n - 1) * step]; };
  uint32_t sum = 0;
  for (int64_t k = -box.r; k <= box.r; ++k) sum += at(k);
  for (int64_t x = 0; x < n; ++x) {
    out[x * step] = static_cast<uint8_t>((box.whole * sum + box.edge * (at(x - box.r - 1) + at(x + box.r + 1)) + (1u << 23)) >> 24);
    sum += at(x + box.r + 1) - at(x - box.r);
  }
}

/// Three passes along every row (or column) in place.
void box_lines(Image& image, bool columns, const ExtendedBox& box) {
  const int64_t n = columns ? image.height : image.width;
  const int64_t step = columns ? 3 * image.width : 3;
  const int64_t lines = columns ? 3 * image.width : 3 * image.height;
  std::vector<uint8_t> a(static_cast<size_t>(n)), b(static_cast<size_t>(n));
  for (int64_t i = 0; i < lines; ++i) {
    uint8_t* line = image.rgb.data() + (columns ? i : i / 3 * 3 * image.width + i % 3);
    for (int64_t x = 0; x < n; ++x) a[static_cast<size_t>(x)] = line[x * step];
    for (int k = 0; k < 3; ++k) {
      box_line(a.data(), b.data(), n, 1, box);
      a.swap(b);
    }
    for (int64_t x = 0; x < n; ++x) line[x * step] = a[static_cast<size_t>(x)];
  }
}

// ------------------------------------------------------------------------------------------------ separable kernels
using kernels::Border;
using kernels::bordered;

/// half[i] is the weight at distance i; weights too small to move a float are not worth a tap.
using HalfKernel = std::vector<float>;

HalfKernel gaussian(int64_t kernel, double sigma) {
  EOSIN_CHECK(kernel > 0 && kernel % 2 == 1, Config, "[blur] the kernel must be odd (got {})", kernel);
  EOSIN_CHECK(sigma > 0 && std::isfinite(sigma), Config, "[blur] sigma must be finite and positive (got {})", sigma);
  std::vector<double> w(static_cast<size_t>(kernel / 2 + 1));
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = kernels::gaussian_weight(static_cast<int64_t>(i), sigma);
    sum += i == 0 ? w[i] : 2 * w[i];
  }
  while (w.size() > 1 && w.back() < 1e-7 * sum) w.pop_back();
  HalfKernel half;
  for (const double v : w) half.push_back(static_cast<float>(v / sum));
  return half;
}

HalfKernel half_of(const ExtendedBox& box) {
  const float length = 2 * box.radius + 1;
  HalfKernel half(static_cast<size_t>(box.r + 1), 1 / length);
  half.push_back((box.radius - static_cast<float>(box.r)) / length);
  return half;
}

/// out[x] = sum over taps of rows[tap][x], symmetric about the middle one. The usual reaches are compiled in, so that pointers and
/// weights stay in registers; 0 stands for any.
template <int64_t kReach>
void weigh(const float* const* rows, const HalfKernel& half, int64_t width, float* out) {
  const int64_t r = kReach > 0 ? kReach : static_cast<int64_t>(half.size()) - 1;
  const float* own_rows[2 * kReach + 1];
  float own_half[kReach + 1];
  if constexpr (kReach > 0) {
    std::copy_n(rows, 2 * kReach + 1, own_rows);
    std::copy_n(half.data(), kReach + 1, own_half);
  }
  const float* const* row = kReach > 0 ? own_rows : rows;
  const float* w = kReach > 0 ? own_half : half.data();
  int64_t x = 0;
  for (; x + kLanes <= width; x += kLanes) {
    FloatLanes sum, a, b;
    load_lanes(sum, row[r] + x);
    sum *= w[0];
#pragma GCC unroll 8
    for (int64_t k = 1; k <= r; ++k) {
      load_lanes(a, row[r - k] + x);
      load_lanes(b, row[r + k] + x);
      sum += w[k] * (a + b);
    }
    store_lanes(out + x, sum);
  }
  for (; x < width; ++x) {
    float sum = w[0] * row[r][x];
    for (int64_t k = 1; k <= r; ++k) sum += w[k] * (row[r - k][x] + row[r + k][x]);
    out[x] = sum;
  }
}
constexpr decltype(&weigh<0>) kWeigh[] = {weigh<0>, weigh<1>, weigh<2>, weigh<3>, weigh<4>, weigh<5>, weigh<6>};

/// Both passes over one plane, in place: along rows into scratch, then along columns back.
void blur_plane(float* plane, int64_t height, int64_t width, const HalfKernel& half, Border border) {
  const auto r = static_cast<int64_t>(half.size()) - 1;
  const auto weigh_line = kWeigh[r < std::ssize(kWeigh) ? r : 0];
  thread_local std::vector<float> wide, line;
  thread_local std::vector<const float*> rows;
  wide.resize(static_cast<size_t>(height * width));
  line.resize(static_cast<size_t>(width + 2 * r));
  rows.resize(static_cast<size_t>(2 * r + 1));
  for (int64_t k = 0; k <= 2 * r; ++k) rows[static_cast<size_t>(k)] = line.data() + k;
  for (int64_t y = 0; y < height; ++y) {
    const float* from = plane + y * width;
    std::copy_n(from, width, line.data() + r);
    for (int64_t k = 1; k <= r; ++k) {
      line[static_cast<size_t>(r - k)] = from[bordered(-k, width, border)];
      line[static_cast<size_t>(r + width - 1 + k)] = from[bordered(width - 1 + k, width, border)];
    }
    weigh_line(rows.data(), half, width, wide.data() + y * width);
  }
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t k = -r; k <= r; ++k) rows[static_cast<size_t>(k + r)] = wide.data() + bordered(y + k, height, border) * width;
    weigh_line(rows.data(), half, width, plane + y * width);
  }
}

void blur(Planes image, const HalfKernel& half, Border border) {
  if (half.size() == 1) return;
  for (int64_t c = 0; c < 3; ++c) blur_plane(image.plane(c), image.height, image.width, half, border);
}

}  // namespace

void box_blur(Image& image, double radius) {
  const ExtendedBox box = extended_box(radius);
  box_lines(image, false, box);
  box_lines(image, true, box);
}

void kernel_blur(Planes image, int64_t kernel, double sigma) { blur(image, gaussian(kernel, sigma), Border::kReflect); }

void kernel_blur(Image& image, int64_t kernel, double sigma) {
  std::vector<float> memory(image.rgb.size());
  const Planes planes{memory.data(), image.height, image.width};
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < planes.size(); ++i) planes.plane(c)[i] = image.rgb[static_cast<size_t>(3 * i + c)];
  kernel_blur(planes, kernel, sigma);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < planes.size(); ++i)
      image.rgb[static_cast<size_t>(3 * i + c)] = static_cast<uint8_t>(std::clamp(std::nearbyint(planes.plane(c)[i]), 0.0f, 255.0f));
}

void box_blur(Planes image, double radius) {
  const HalfKernel box = half_of(extended_box(radius));
  for (int pass = 0; pass < 3; ++pass) blur(image, box, Border::kReplicate);
}

}  // namespace eosin::data
