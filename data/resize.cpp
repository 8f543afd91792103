#include "data/resize.h"

#include <algorithm>

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

IntLanes round_to_byte(IntLanes sum) {
  sum >>= kFixedBits;
  sum = sum < 0 ? IntLanes{} : sum;
  return sum > 255 ? IntLanes{} + 255 : sum;
}

/// Eight rows of `image` from y as columns of lanes: columns[x] holds byte x of each row; rows below the last repeat it.
void load_columns(ImageView image, int64_t y, IntLanes* columns) {
  const uint8_t* rows[kLanes];
  for (int64_t r = 0; r < kLanes; ++r) rows[r] = image.row(std::min(y + r, image.height - 1));
  const int64_t width = 3 * image.width;
  for (int64_t x = 0; x < width; x += kLanes) {
    IntLanes block[8];
    for (int r = 0; r < 8; ++r) {
      ByteLanes bytes;
      if (x + kLanes <= width)
        load_lanes(bytes, rows[r] + x);
      else
        load_some(bytes, rows[r] + x, width - x);
      block[r] = __builtin_convertvector(bytes, IntLanes);
    }
    transpose_lanes(block);
    for (int i = 0; i < 8; ++i) columns[x + i] = block[i];
  }
}

/// Stores a block of eight columns of lanes as `count` <= 8 bytes of each of `rows` rows.
void store_block(IntLanes (&block)[8], uint8_t* to, int64_t stride, int64_t rows, int64_t count) {
  transpose_lanes(block);
  for (int64_t r = 0; r < rows; ++r) {
    const ByteLanes bytes = __builtin_convertvector(block[r], ByteLanes);
    if (count == kLanes)
      store_lanes(to + r * stride, bytes);
    else
      std::memcpy(to + r * stride, &bytes, static_cast<size_t>(count));
  }
}

void horizontal_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = fixed_weights(image.width, out.width, filter);
  IntLanes* columns = scratch<IntLanes>(3 * image.width + kLanes);
  const int64_t width = 3 * out.width;
  for (int64_t y = 0; y < image.height; y += kLanes) {
    load_columns(image, y, columns);
    const int64_t rows = std::min(kLanes, image.height - y);
    for (int64_t x = 0; x < width; x += kLanes) {
      IntLanes block[8] = {};
      const int64_t count = std::min(kLanes, width - x);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t pixel = (x + i) / 3, channel = (x + i) % 3;
        const int32_t* w = axis.of(pixel);
        const IntLanes* in = columns + 3 * axis.first[static_cast<size_t>(pixel)] + channel;
        IntLanes sum = IntLanes{} + (1 << (kFixedBits - 1));
        for (int64_t k = 0; k < axis.taps; ++k) sum += w[k] * in[3 * k];
        block[i] = round_to_byte(sum);
      }
      store_block(block, out.row(y) + x, width, rows, count);
    }
  }
}

void vertical_pass(ImageView image, Image& out, Filter filter) {
  const auto axis = fixed_weights(image.height, out.height, filter);
  const int64_t width = 3 * out.width;
  for (int64_t y = 0; y < out.height; ++y) {
    const int32_t* w = axis.of(y);
    const int64_t first = axis.first[static_cast<size_t>(y)];
    for (int64_t x = 0; x < width; x += kLanes) {
      const int64_t count = std::min(kLanes, width - x);
      IntLanes sum = IntLanes{} + (1 << (kFixedBits - 1));
      for (int64_t k = 0; k < axis.taps; ++k) {
        ByteLanes bytes;
        if (count == kLanes)
          load_lanes(bytes, image.row(first + k) + x);
        else
          load_some(bytes, image.row(first + k) + x, count);
        sum += w[k] * __builtin_convertvector(bytes, IntLanes);
      }
      const ByteLanes bytes = __builtin_convertvector(round_to_byte(sum), ByteLanes);
      std::memcpy(out.row(y) + x, &bytes, static_cast<size_t>(count));
    }
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

/// One channel of the float form. Bands of eight output rows: the vertical pass leaves them as columns of lanes, on which the
/// horizontal pass reads whole vectors; transposing happens in registers.
class PlaneResizer {
 public:
  PlaneResizer(const AxisWeights<float>& rows, const AxisWeights<float>& columns, int64_t in_width)
      : rows_(rows), columns_(columns), in_width_(in_width), band_(scratch<FloatLanes>(in_width + kLanes)) {}

  void run(const float* in, int64_t stride, float* out) {
    for (int64_t y = 0; y < rows_.size(); y += kLanes) {
      vertical(in, stride, y);
      horizontal(out + y * columns_.size(), std::min(kLanes, rows_.size() - y));
    }
  }

 private:
  void vertical(const float* in, int64_t stride, int64_t y) {
    for (int64_t x = 0; x < in_width_; x += kLanes) {
      FloatLanes block[8];
      const int64_t count = std::min(kLanes, in_width_ - x);
      for (int r = 0; r < 8; ++r) {
        const int64_t row = std::min(y + r, rows_.size() - 1);
        const float* w = rows_.of(row);
        const float* from = in + rows_.first[static_cast<size_t>(row)] * stride + x;
        FloatLanes sum{};
        for (int64_t k = 0; k < rows_.taps; ++k, from += stride) {
          FloatLanes v;
          if (count == kLanes)
            load_lanes(v, from);
          else
            load_some(v, from, count);
          sum += w[k] * v;
        }
        block[r] = sum;
      }
      transpose_lanes(block);
      for (int i = 0; i < 8; ++i) band_[x + i] = block[i];
    }
  }

  void horizontal(float* out, int64_t rows) {
    const int64_t width = columns_.size();
    for (int64_t x = 0; x < width; x += kLanes) {
      FloatLanes block[8] = {};
      const int64_t count = std::min(kLanes, width - x);
      for (int64_t i = 0; i < count; ++i) {
        const float* w = columns_.of(x + i);
        const FloatLanes* in = band_ + columns_.first[static_cast<size_t>(x + i)];
        FloatLanes sum{};
        for (int64_t k = 0; k < columns_.taps; ++k) sum += w[k] * in[k];
        block[i] = sum;
      }
      transpose_lanes(block);
      for (int64_t r = 0; r < rows; ++r) std::memcpy(out + r * width + x, &block[r], static_cast<size_t>(count) * sizeof(float));
    }
  }

  const AxisWeights<float>& rows_;
  const AxisWeights<float>& columns_;
  const int64_t in_width_;
  FloatLanes* const band_;
};

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

void resize(ConstPlanes image, Planes out, Filter filter, bool hflip, bool vflip) {
  const auto rows = float_weights(image.height, out.height, filter, vflip);
  const auto columns = float_weights(image.width, out.width, filter, hflip);
  PlaneResizer resizer(rows, columns, image.width);
  for (int64_t c = 0; c < 3; ++c) resizer.run(image.row(c, 0), image.stride, out.plane(c));
}

}  // namespace eosin::data
