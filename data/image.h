#pragma once
// Pictures in memory: interleaved u8 as decoders give them, planar float as training takes them.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eosin::data {

/// A rectangle of pixels inside a picture.
struct Box {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const Box&) const = default;
};

/// Somebody else's RGB pixels: rows first, three bytes a pixel, rows `stride` bytes apart. A crop is another view of the same bytes.
struct ImageView {
  const uint8_t* rgb = nullptr;
  int64_t height = 0, width = 0;
  int64_t stride = 0;

  const uint8_t* row(int64_t y) const { return rgb + y * stride; }
  ImageView crop(const Box& b) const { return {row(b.top) + 3 * b.left, b.height, b.width, stride}; }
};

/// An RGB picture that owns its pixels, without gaps between rows.
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;

  Image() = default;
  Image(int64_t h, int64_t w) : height(h), width(w), rgb(static_cast<size_t>(h * w * 3)) {}
  uint8_t* row(int64_t y) { return rgb.data() + y * width * 3; }
  const uint8_t* row(int64_t y) const { return rgb.data() + y * width * 3; }
  operator ImageView() const { return {rgb.data(), height, width, width * 3}; }
};

/// Somebody else's three float planes R, G, B with values in [0, 1]. Rows are `stride` and planes `plane_stride` floats apart.
struct ConstPlanes {
  const float* data = nullptr;
  int64_t height = 0, width = 0;
  int64_t stride = 0, plane_stride = 0;

  const float* row(int64_t c, int64_t y) const { return data + c * plane_stride + y * stride; }
  ConstPlanes crop(const Box& b) const { return {data + b.top * stride + b.left, b.height, b.width, stride, plane_stride}; }
};

/// Three float planes to be written, without gaps: [3, height, width].
struct Planes {
  float* data = nullptr;
  int64_t height = 0, width = 0;

  int64_t size() const { return height * width; }
  float* plane(int64_t c) const { return data + c * size(); }
  float* row(int64_t c, int64_t y) const { return plane(c) + y * width; }
  operator ConstPlanes() const { return {data, height, width, width, size()}; }
};

}  // namespace eosin::data
