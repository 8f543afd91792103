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

// The u8 form. A weight of 22 fractional bits times a byte needs 32-bit products, of which a machine makes few at once. Cut into two parts of
// 16 bits it takes two taps in one instruction, and the sums are the same to the bit.
constexpr int32_t kHalf = 1 << (kFixedBits - 1);
constexpr int kCut = 11;

/// Fixed weights two by two: the 16 bits of tap 2p, and above them those of tap 2p + 1.
struct PairWeights {
  int64_t pairs = 0, taps = 0;
  std::vector<int64_t> first;
  std::vector<int32_t> high, low;  // [output, pair]: w = high * 2^11 + low

  int64_t size() const { return static_cast<int64_t>(first.size()); }
};

PairWeights pair_weights(int64_t n, int64_t m, Filter filter) {
  auto axis = fixed_weights(n, m, filter);
  PairWeights out{(axis.taps + 1) / 2, axis.taps, std::move(axis.first), {}, {}};
  const auto pack = [](int32_t a, int32_t b) { return static_cast<int32_t>((static_cast<uint32_t>(a) & 0xFFFF) | (static_cast<uint32_t>(b) << 16)); };
  const auto high = [](int32_t w) { return (w + (1 << (kCut - 1))) >> kCut; };
  for (int64_t i = 0; i < out.size(); ++i)
    for (int64_t k = 0; k < axis.taps; k += 2) {
      const int32_t a = axis.of(i)[k], b = k + 1 < axis.taps ? axis.of(i)[k + 1] : 0;
      out.high.push_back(pack(high(a), high(b)));
      out.low.push_back(pack(a - (high(a) << kCut), b - (high(b) << kCut)));
    }
  return out;
}

/// kN sums over the pairs of w * pair(p, i), rounded, without their fractions. Sums that share their weights are made together.
template <int kN, class Pairs>
inline void weigh_pairs(const PairWeights& axis, int64_t output, Pairs pairs_at, IntLanes (&sums)[kN]) {
  const int32_t *high = axis.high.data() + output * axis.pairs, *low = axis.low.data() + output * axis.pairs;
  IntLanes a[kN] = {}, b[kN], pairs[kN];
#pragma GCC unroll 4
  for (int i = 0; i < kN; ++i) b[i] = IntLanes{} + kHalf;
  for (int64_t p = 0; p < axis.pairs; ++p) {
    pairs_at(p, pairs);
    const IntLanes h = IntLanes{} + high[p], l = IntLanes{} + low[p];
#pragma GCC unroll 4
    for (int i = 0; i < kN; ++i) a[i] += dot_pairs(pairs[i], h), b[i] += dot_pairs(pairs[i], l);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kN; ++i) sums[i] = ((a[i] << kCut) + b[i]) >> kFixedBits;
}

inline IntLanes clamped(IntLanes v) {
  v = v < 0 ? IntLanes{} : v;
  return v > 255 ? IntLanes{} + 255 : v;
}

constexpr int64_t kBlock = 4 * kLanes;  // bytes of a row that are taken apart at once
int64_t in_blocks(int64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

/// Eight rows of `image` from y as columns: lane r of columns[x] holds byte x of row y + r; rows below the last repeat it.
void load_columns(ImageView image, int64_t y, IntLanes* columns) {
  const uint8_t* rows[kLanes];
  for (int64_t r = 0; r < kLanes; ++r) rows[r] = image.row(std::min(y + r, image.height - 1));
  const int64_t width = 3 * image.width;
  for (int64_t x = 0; x < width; x += kBlock) {
    IntLanes block[kLanes];
    for (int64_t r = 0; r < kLanes; ++r) {
      block[r] = IntLanes{};
      std::memcpy(&block[r], rows[r] + x, static_cast<size_t>(std::min(kBlock, width - x)));
    }
    transpose_lanes(block);
    for (int64_t i = 0; i < kLanes; ++i)
      for (int64_t byte = 0; byte < 4; ++byte) columns[x + 4 * i + byte] = (block[i] >> (8 * byte)) & 255;
  }
}

/// Columns of bytes back to `rows` <= 8 rows of `width` bytes. What lies in the columns up to the end of the block is not used.
void store_columns(const IntLanes* columns, uint8_t* to, int64_t width, int64_t rows) {
  for (int64_t x = 0; x < width; x += kBlock) {
    IntLanes block[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      const IntLanes* c = columns + x + 4 * i;
      block[i] = c[0] | (c[1] << 8) | (c[2] << 16) | (c[3] << 24);
    }
    transpose_lanes(block);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * width + x, &block[r], static_cast<size_t>(std::min(kBlock, width - x)));
  }
}

void horizontal_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = pair_weights(image.width, out.width, filter);
  const int64_t in_columns = in_blocks(3 * image.width) + 3;
  IntLanes* columns = scratch<IntLanes>(in_columns + in_blocks(3 * out.width));
  IntLanes* done = columns + in_columns;
  std::fill_n(columns + in_columns - 3, 3, IntLanes{});
  for (int64_t y = 0; y < image.height; y += kLanes) {
    load_columns(image, y, columns);
    for (int64_t x = 0; x < 3 * image.width; ++x) columns[x] |= columns[x + 3] << 16;  // a pixel and the one to its right
    for (int64_t x = 0; x < out.width; ++x) {
      const IntLanes* in = columns + 3 * axis.first[static_cast<size_t>(x)];
      IntLanes sums[3];
      weigh_pairs(
          axis, x, [in](int64_t p, IntLanes(&pairs)[3]) { pairs[0] = in[6 * p], pairs[1] = in[6 * p + 1], pairs[2] = in[6 * p + 2]; }, sums);
      for (int c = 0; c < 3; ++c) done[3 * x + c] = clamped(sums[c]);
    }
    store_columns(done, out.row(y), 3 * out.width, std::min(kLanes, image.height - y));
  }
}

/// `count` <= 32 bytes of an output row from byte x.
void vertical_block(ImageView image, const PairWeights& axis, int64_t y, int64_t x, int64_t count, uint8_t* to) {
  uint8_t rows[2][kBlock] = {}, done[kBlock];
  IntLanes sums[4];
  const auto pairs_at = [&](int64_t p, IntLanes(&pairs)[4]) {
    const uint8_t* upper = image.row(axis.first[static_cast<size_t>(y)] + 2 * p) + x;
    const uint8_t* lower = 2 * p + 1 < axis.taps ? upper + image.stride : upper;  // the last has weight 0
    if (count == kBlock) return pair_rows(upper, lower, pairs);
    std::copy_n(upper, count, rows[0]), std::copy_n(lower, count, rows[1]);
    pair_rows(rows[0], rows[1], pairs);
  };
  weigh_pairs(axis, y, pairs_at, sums);
  store_clamped(sums, count == kBlock ? to : done);
  if (count < kBlock) std::copy_n(done, count, to);
}

void vertical_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = pair_weights(image.height, out.height, filter);
  const int64_t width = 3 * out.width;
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < width; x += kBlock) vertical_block(image, axis, y, x, std::min(kBlock, width - x), out.row(y) + x);
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
