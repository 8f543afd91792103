#pragma once
// Eight 32-bit lanes, the width that the resampling loops are written in. The compiler maps them to what the machine has.
#include <cstdint>
#include <cstring>

namespace eosin::data {

inline constexpr int64_t kLanes = 8;
using FloatLanes = float __attribute__((vector_size(32)));
using IntLanes = int32_t __attribute__((vector_size(32)));
using ByteLanes = uint8_t __attribute__((vector_size(8)));

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
