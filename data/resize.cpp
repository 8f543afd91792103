#include "data/resize.h"

#include <algorithm>
#include <iterator>

#include "core/base/error.h"
#include "data/lanes.h"

namespace eosin::data {
namespace {

/// Scratch memory of the calling thread, kept between calls.
template <class T>
std::vector<T>& scratch() {
  thread_local std::vector<T> memory;
  return memory;
}
template <class T>
T* scratch(int64_t size) {
  auto& memory = scratch<T>();
  if (memory.size() < static_cast<size_t>(size)) memory.resize(static_cast<size_t>(size));
  return memory.data();
}

constexpr int32_t kHalf = 1 << (kFixedBits - 1);

IntLanes to_byte(IntLanes sum) {
  sum >>= kFixedBits;
  sum = sum < 0 ? IntLanes{} : sum;
  return sum > 255 ? IntLanes{} + 255 : sum;
}

IntLanes load_bytes(const uint8_t* from) {
  ByteLanes bytes;
  load_lanes(bytes, from);
  return __builtin_convertvector(bytes, IntLanes);
}
IntLanes load_bytes(const uint8_t* from, int64_t count) {
  ByteLanes bytes;
  load_some(bytes, from, count);
  return __builtin_convertvector(bytes, IntLanes);
}
void store_bytes(uint8_t* to, IntLanes v, int64_t count) {
  const ByteLanes bytes = __builtin_convertvector(v, ByteLanes);
  if (count >= kLanes)
    store_lanes(to, bytes);
  else
    std::memcpy(to, &bytes, static_cast<size_t>(count));
}

/// Eight rows of `image` from y as columns of lanes: columns[x] holds byte x of each row; rows below the last repeat it.
void load_columns(ImageView image, int64_t y, IntLanes* columns) {
  const uint8_t* rows[kLanes];
  for (int64_t r = 0; r < kLanes; ++r) rows[r] = image.row(std::min(y + r, image.height - 1));
  const int64_t width = 3 * image.width;
  const auto block_at = [&](int64_t x, auto load) {
    IntLanes block[8];
    for (int r = 0; r < 8; ++r) block[r] = load(rows[r] + x);
    transpose_lanes(block);
    for (int i = 0; i < 8; ++i) columns[x + i] = block[i];
  };
  int64_t x = 0;
  for (; x + kLanes <= width; x += kLanes) block_at(x, [](const uint8_t* p) { return load_bytes(p); });
  if (x < width) block_at(x, [count = width - x](const uint8_t* p) { return load_bytes(p, count); });
}

/// Columns of lanes back to `rows` <= 8 rows of `width` bytes.
void store_columns(const IntLanes* columns, uint8_t* to, int64_t width, int64_t rows) {
  for (int64_t x = 0; x < width; x += kLanes) {
    IntLanes block[8];
    for (int64_t i = 0; i < 8; ++i) block[i] = columns[x + i];
    transpose_lanes(block);
    for (int64_t r = 0; r < rows; ++r) store_bytes(to + r * width + x, block[r], width - x);
  }
}

void horizontal_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = fixed_weights(image.width, out.width, filter);
  const int64_t in_columns = 3 * image.width + kLanes;
  IntLanes* columns = scratch<IntLanes>(in_columns + 3 * out.width + kLanes);
  IntLanes* done = columns + in_columns;
  for (int64_t y = 0; y < image.height; y += kLanes) {
    load_columns(image, y, columns);
    for (int64_t x = 0; x < out.width; ++x) {
      const int32_t* w = axis.of(x);
      const IntLanes* in = columns + 3 * axis.first[static_cast<size_t>(x)];
      IntLanes r = IntLanes{} + kHalf, g = r, b = r;
      for (int64_t k = 0; k < axis.taps; ++k) r += w[k] * in[3 * k], g += w[k] * in[3 * k + 1], b += w[k] * in[3 * k + 2];
      done[3 * x] = to_byte(r), done[3 * x + 1] = to_byte(g), done[3 * x + 2] = to_byte(b);
    }
    store_columns(done, out.row(y), 3 * out.width, std::min(kLanes, image.height - y));
  }
}

void vertical_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = fixed_weights(image.height, out.height, filter);
  const int64_t width = 3 * out.width;
  for (int64_t y = 0; y < out.height; ++y) {
    const int32_t* w = axis.of(y);
    const uint8_t* in = image.row(axis.first[static_cast<size_t>(y)]);
    const auto sum_at = [&](int64_t x, auto load) {
      IntLanes sum = IntLanes{} + kHalf;
      for (int64_t k = 0; k < axis.taps; ++k) sum += w[k] * load(in + k * image.stride + x);
      return to_byte(sum);
    };
    int64_t x = 0;
    for (; x + kLanes <= width; x += kLanes) store_bytes(out.row(y) + x, sum_at(x, [](const uint8_t* p) { return load_bytes(p); }), kLanes);
    if (x == width) continue;
    const int64_t count = width - x;
    store_bytes(out.row(y) + x, sum_at(x, [count](const uint8_t* p) { return load_bytes(p, count); }), count);
  }
}

Image copy(ImageView image) {
  Image out(image.height, image.width);
  for (int64_t y = 0; y < image.height; ++y) std::copy_n(image.row(y), 3 * image.width, out.row(y));
  return out;
}

void mirror(Image& image, bool hflip, bool vflip) {
  if (vflip)
    for (int64_t y = 0; y < image.height / 2; ++y) std::swap_ranges(image.row(y), image.row(y) + 3 * image.width, image.row(image.height - 1 - y));
  if (!hflip) return;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t a = 0, b = image.width - 1; a < b; ++a, --b) std::swap_ranges(image.row(y) + 3 * a, image.row(y) + 3 * a + 3, image.row(y) + 3 * b);
}

/// sum over k < taps of w[k] * column(k). The usual numbers of taps are compiled in, so that the loop unrolls; 0 stands for any.
template <int64_t kTaps, class Lanes, class T, class Column>
inline Lanes weighted(const T* w, int64_t taps, Lanes sum, Column column) {
  const int64_t n = kTaps > 0 ? kTaps : taps;
#pragma GCC unroll 8
  for (int64_t k = 0; k < n; ++k) sum += w[k] * column(k);
  return sum;
}

/// Eight output rows from `y` of one plane as columns of lanes: band[x] holds element x of each; rows below the last repeat it.
template <int64_t kTaps>
void vertical_band(const float* in, int64_t stride, int64_t width, const AxisWeights<float>& rows, int64_t y, FloatLanes* band) {
  const float *from[8], *w[8];
  for (int64_t r = 0; r < 8; ++r) {
    const int64_t row = std::min(y + r, rows.size() - 1);
    from[r] = in + rows.first[static_cast<size_t>(row)] * stride;
    w[r] = rows.of(row);
  }
  const auto block_at = [&](int64_t x, auto load) {
    FloatLanes block[8];
    for (int64_t r = 0; r < 8; ++r)
      block[r] = weighted<kTaps>(w[r], rows.taps, FloatLanes{}, [&](int64_t k) { return load(from[r] + k * stride + x); });
    transpose_lanes(block);
    for (int64_t i = 0; i < 8; ++i) band[x + i] = block[i];
  };
  const auto load = [](const float* p) {
    FloatLanes v;
    load_lanes(v, p);
    return v;
  };
  int64_t x = 0;
  for (; x + kLanes <= width; x += kLanes) block_at(x, load);
  if (x == width) return;
  if (width >= kLanes) return block_at(width - kLanes, load);  // some columns twice, with the same result
  block_at(0, [width](const float* p) {
    FloatLanes v;
    load_some(v, p, width);
    return v;
  });
}

/// Eight rows of output from a band of columns.
template <int64_t kTaps>
void horizontal_band(const FloatLanes* band, const AxisWeights<float>& columns, int64_t rows, float* out) {
  const int64_t width = columns.size();
  const auto column = [&](int64_t x) {
    const FloatLanes* in = band + columns.first[static_cast<size_t>(x)];
    return weighted<kTaps>(columns.of(x), columns.taps, FloatLanes{}, [in](int64_t k) { return in[k]; });
  };
  int64_t x = 0;
  for (; x + kLanes <= width; x += kLanes) {
    FloatLanes block[8];
#pragma GCC unroll 8
    for (int64_t i = 0; i < 8; ++i) block[i] = column(x + i);
    transpose_lanes(block);
    for (int64_t r = 0; r < rows; ++r) store_lanes(out + r * width + x, block[r]);
  }
  if (x == width) return;
  FloatLanes block[8] = {};
  for (int64_t i = 0; x + i < width; ++i) block[i] = column(x + i);
  transpose_lanes(block);
  for (int64_t r = 0; r < rows; ++r) std::memcpy(out + r * width + x, &block[r], static_cast<size_t>(width - x) * sizeof(float));
}

// The forms by number of taps; 0 takes any number.
constexpr decltype(&vertical_band<0>) kVerticalBands[] = {vertical_band<0>, vertical_band<1>, vertical_band<2>, vertical_band<3>, vertical_band<4>,
                                                          vertical_band<5>, vertical_band<6>, vertical_band<7>, vertical_band<8>};
constexpr decltype(&horizontal_band<0>) kHorizontalBands[] = {horizontal_band<0>, horizontal_band<1>, horizontal_band<2>,
                                                              horizontal_band<3>, horizontal_band<4>, horizontal_band<5>,
                                                              horizontal_band<6>, horizontal_band<7>, horizontal_band<8>};

}  // namespace

Image resize(ImageView image, int64_t out_height, int64_t out_width, Filter filter) {
  EOSIN_CHECK(image.height > 0 && image.width > 0 && out_height > 0 && out_width > 0, Shape, "[resize] sizes must be positive (got {}x{} to {}x{})",
              image.height, image.width, out_height, out_width);
  Image wide;
  if (image.width != out_width) {
    wide = Image(image.height, out_width);
    horizontal_pass(image, wide, filter);
    if (image.height == out_height) return wide;
    image = wide;
  }
  if (image.height == out_height) return copy(image);
  Image out(out_height, out_width);
  vertical_pass(image, out, filter);
  return out;
}

Image crop_resize(ImageView image, const Box& b, int64_t out_height, int64_t out_width, Filter filter, bool hflip, bool vflip) {
  EOSIN_CHECK(b.top >= 0 && b.left >= 0 && b.height > 0 && b.width > 0 && b.top + b.height <= image.height && b.left + b.width <= image.width, Shape,
              "[crop_resize] the box is not inside the picture (got top {} left {} {}x{}, picture {}x{})", b.top, b.left, b.height, b.width,
              image.height, image.width);
  Image out = resize(image.crop(b), out_height, out_width, filter);
  mirror(out, hflip, vflip);
  return out;
}

// Bands of eight output rows: the vertical pass leaves them as columns of lanes, on which the horizontal pass reads whole vectors.
// What is between the passes is a few kilobytes, and transposing happens in registers.
void resize(ConstPlanes image, Planes out, Filter filter, bool hflip, bool vflip) {
  const auto rows = float_weights(image.height, out.height, filter, vflip);
  const auto columns = float_weights(image.width, out.width, filter, hflip);
  FloatLanes* band = scratch<FloatLanes>(image.width + kLanes);
  const auto vertical = kVerticalBands[rows.taps < std::ssize(kVerticalBands) ? rows.taps : 0];
  const auto horizontal = kHorizontalBands[columns.taps < std::ssize(kHorizontalBands) ? columns.taps : 0];
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < out.height; y += kLanes) {
      vertical(image.row(c, 0), image.stride, image.width, rows, y, band);
      horizontal(band, columns, std::min(kLanes, out.height - y), out.row(c, y));
    }
}

}  // namespace eosin::data
