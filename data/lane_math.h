#pragma once
// Logarithm and exponential of eight floats at once; relative errors below 1e-6.
#include <bit>

#include "data/lanes.h"

namespace eosin::data {

/// Natural logarithm of positive normal numbers (minimax polynomial on [sqrt(1/2), sqrt(2)) from Cephes).
inline FloatLanes log(FloatLanes x) {
  IntLanes bits = std::bit_cast<IntLanes>(x);
  IntLanes exponent = (bits >> 23) - 126;
  FloatLanes m = std::bit_cast<FloatLanes>((bits & 0x007fffff) | 0x3f000000);
  const IntLanes small = m < 0.707106781186547524f;
  exponent += small;
  m = (small ? m + m : m) - 1.0f;
  const FloatLanes z = m * m;
  FloatLanes p = 7.0376836292e-2f * m - 1.1514610310e-1f;
  for (const float c :
       {1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = p * m + c;
  const FloatLanes e = __builtin_convertvector(exponent, FloatLanes);
  return m + (p * m * z - 0.5f * z) + e * 0.693147180559945f;
}

/// e to the x for x <= 0; below -87 zero.
inline FloatLanes exp(FloatLanes x) {
  x = x < -87.0f ? FloatLanes{} - 87.0f : x;
  const IntLanes n = __builtin_convertvector(x * 1.44269504088896341f - 0.5f, IntLanes);
  const FloatLanes k = __builtin_convertvector(n, FloatLanes);
  x -= k * 0.693359375f;
  x -= k * -2.12194440e-4f;
  FloatLanes p = 1.9875691500e-4f * x + 1.3981999507e-3f;
  for (const float c : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * x + c;
  return (p * x * x + x + 1.0f) * std::bit_cast<FloatLanes>((n + 127) << 23);
}

inline FloatLanes spread(float v) { return FloatLanes{} + v; }
inline FloatLanes min(FloatLanes a, FloatLanes b) { return a < b ? a : b; }
inline FloatLanes max(FloatLanes a, FloatLanes b) { return a > b ? a : b; }

}  // namespace eosin::data
