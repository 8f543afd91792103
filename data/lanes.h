#pragma once
// Eight 32-bit lanes, the width that the resampling loops are written in. The compiler maps them to what the machine has.
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

namespace eosin::data {

inline constexpr int64_t kLanes = 8;
using FloatLanes = float __attribute__((vector_size(32)));
using IntLanes = int32_t __attribute__((vector_size(32)));

template <class Lanes, class T>
inline void load_lanes(Lanes& v, const T* from) {
  static_assert(sizeof(Lanes) == kLanes * sizeof(T));
  std::memcpy(&v, from, sizeof v);
}
template <class Lanes, class T>
inline void store_lanes(T* to, const Lanes& v) {
  static_assert(sizeof(Lanes) == kLanes * sizeof(T));
  std::memcpy(to, &v, sizeof v);
}
/// Loads `count` < 8 elements; the other lanes are zero.
template <class Lanes, class T>
inline void load_some(Lanes& v, const T* from, int64_t count) {
  v = Lanes{};
  std::memcpy(&v, from, static_cast<size_t>(count) * sizeof(T));
}

/// Thirty-two bytes of two rows as pairs of 16-bit numbers, the upper row's below the lower row's. The order of the pairs is the machine's own;
/// store_clamped() undoes it.
inline void pair_rows(const uint8_t* upper, const uint8_t* lower, IntLanes (&pairs)[4]) {
#ifdef __AVX2__
  const __m256i u = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(upper)), l = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lower));
  const __m256i zero = _mm256_setzero_si256(), low = _mm256_unpacklo_epi8(u, l), high = _mm256_unpackhi_epi8(u, l);
  pairs[0] = reinterpret_cast<IntLanes>(_mm256_unpacklo_epi8(low, zero));
  pairs[1] = reinterpret_cast<IntLanes>(_mm256_unpackhi_epi8(low, zero));
  pairs[2] = reinterpret_cast<IntLanes>(_mm256_unpacklo_epi8(high, zero));
  pairs[3] = reinterpret_cast<IntLanes>(_mm256_unpackhi_epi8(high, zero));
#else
  for (int i = 0; i < 32; ++i) pairs[i / 8][i % 8] = upper[i] | (lower[i] << 16);
#endif
}

/// Thirty-two numbers, clamped to bytes.
inline void store_clamped(const IntLanes (&v)[4], uint8_t* to) {
#ifdef __AVX2__
  const auto m = [&v](int i) { return reinterpret_cast<__m256i>(v[i]); };
  const __m256i low = _mm256_packus_epi32(m(0), m(1)), high = _mm256_packus_epi32(m(2), m(3));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_packus_epi16(low, high));
#else
  for (int i = 0; i < 32; ++i) to[i] = static_cast<uint8_t>(v[i / 8][i % 8] < 0 ? 0 : v[i / 8][i % 8] > 255 ? 255 : v[i / 8][i % 8]);
#endif
}

/// In each lane a * c + b * d of two pairs of signed 16-bit numbers.
inline IntLanes dot_pairs(IntLanes ab, IntLanes cd) {
#ifdef __AVX2__
  return reinterpret_cast<IntLanes>(_mm256_madd_epi16(reinterpret_cast<__m256i>(ab), reinterpret_cast<__m256i>(cd)));
#else
  return ((ab << 16) >> 16) * ((cd << 16) >> 16) + (ab >> 16) * (cd >> 16);
#endif
}

/// Transposes an 8x8 block held in eight vectors.
template <class Lanes>
inline void transpose_lanes(Lanes (&v)[8]) {
  Lanes a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    a[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i : {0, 1, 4, 5}) {
    b[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    b[i + 2] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    v[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

}  // namespace eosin::data
