#pragma once
// Colour operations on one pixel (V = float, CPU and CUDA) or on a vector of them (V = a vector type): one text for all.
#include "core/kernels/host_device.h"

namespace eosin::kernels {

template <class V>
struct Rgb {
  V r, g, b;
};

template <class V>
EOSIN_HOST_DEVICE inline V lesser(V a, V b) {
  return a < b ? a : b;
}
template <class V>
EOSIN_HOST_DEVICE inline V greater(V a, V b) {
  return a > b ? a : b;
}
template <class V>
EOSIN_HOST_DEVICE inline V clamp01(V v) {
  return lesser(greater(v, V{}), V{} + 1.0f);
}

template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> clamped(const Rgb<V>& p) {
  return {clamp01(p.r), clamp01(p.g), clamp01(p.b)};
}

/// torchvision's grey.
template <class V>
EOSIN_HOST_DEVICE inline V grey(const Rgb<V>& p) {
  return 0.2989f * p.r + 0.587f * p.g + 0.114f * p.b;
}
template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> greyed(const Rgb<V>& p) {
  const V g = grey(p);
  return {g, g, g};
}

/// Brightness, contrast and saturation are blends with black, the picture's mean grey, the pixel's own grey.
template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> blend(const Rgb<V>& p, float factor, V other) {
  const V rest = (1 - factor) * other;
  return {clamp01(factor * p.r + rest), clamp01(factor * p.g + rest), clamp01(factor * p.b + rest)};
}

/// Channel n = 5, 3, 1 of a pixel with hue h in [0, 6): V - d * clamp(min(k, 4 - k)) with k = (n + h) mod 6.
template <class V>
EOSIN_HOST_DEVICE inline V hue_channel(V h, float n, V value, V d) {
  V k = h + n;
  k = k >= 6 ? k - 6 : k;
  return value - d * clamp01(lesser(k, 4 - k));
}

/// Turns the hue circle by `shift` of it: the six-case conversion of HSV written without cases; d = V - min = V * S.
template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> turn_hue(const Rgb<V>& p, float shift) {
  const V value = greater(p.r, greater(p.g, p.b));
  const V d = value - lesser(p.r, lesser(p.g, p.b));
  const V inverse = 1.0f / (d == 0 ? V{} + 1.0f : d);
  V h = p.r == value ? (p.g - p.b) * inverse : p.g == value ? 2 + (p.b - p.r) * inverse : 4 + (p.r - p.g) * inverse;
  h += 6 * shift;
  h = h < 0 ? h + 6 : h;
  h = h >= 6 ? h - 6 : h;
  return {hue_channel(h, 5, value, d), hue_channel(h, 3, value, d), hue_channel(h, 1, value, d)};
}

template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> solarized(const Rgb<V>& p, float threshold) {
  const V t = V{} + threshold;
  return {p.r >= t ? 1 - p.r : p.r, p.g >= t ? 1 - p.g : p.g, p.b >= t ? 1 - p.b : p.b};
}

template <class V>
EOSIN_HOST_DEVICE inline Rgb<V> normalized(const Rgb<V>& p, const float* scale, const float* offset) {
  return {p.r * scale[0] + offset[0], p.g * scale[1] + offset[1], p.b * scale[2] + offset[2]};
}

}  // namespace eosin::kernels
