// Specification of the fused AdamW update. Compiled with -O3 -fno-math-errno (CMakeLists.txt) so that the loops vectorise;
// contraction stays off and every operation is rounded on its own, hence any vector width gives the same bits.
#include "core/kernels/adamw_slots.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace eosin::kernels {
namespace {

/// The update of elements [begin, end); the optional parts are template arguments so that the loop has no branch.
template <bool kAmsgrad, bool kEma, class T>
void update(const AdamWSlot<T>& slot, int64_t begin, int64_t end) {
  T* __restrict p = slot.p;
  T* __restrict m = slot.m;
  T* __restrict v = slot.v;
  T* __restrict vmax = slot.vmax;
  T* __restrict ema = slot.ema;
  const T* __restrict g = slot.g;
  const AdamWRates<T> rates = slot.rates;
  for (int64_t i = begin; i < end; ++i) {
    AdamWValues<T> x{p[i], m[i], v[i], kAmsgrad ? vmax[i] : T(0), kEma ? ema[i] : T(0)};
    adamw_element<kAmsgrad, kEma>(x, g[i], rates);
    p[i] = x.p;
    m[i] = x.m;
    v[i] = x.v;
    if constexpr (kAmsgrad) vmax[i] = x.vmax;
    if constexpr (kEma) ema[i] = x.ema;
  }
}

template <class T>
void average(const AdamWSlot<T>& slot, int64_t begin, int64_t end) {
  T* __restrict ema = slot.ema;
  const T* __restrict p = slot.p;
  const AdamWRates<T> rates = slot.rates;
  for (int64_t i = begin; i < end; ++i) ema[i] = ema_element(ema[i], p[i], rates);
}

/// A stretch of one tensor. Stretches have a fixed length: the work is the same for any number of threads.
struct Chunk {
  size_t slot;
  int64_t begin, end;
};
constexpr int64_t kChunk = 32768;

template <class T>
void step(const std::vector<AdamWSlot<T>>& slots) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < slots.size(); ++i)
    for (int64_t begin = 0; begin < slots[i].size; begin += kChunk) chunks.push_back({i, begin, std::min(begin + kChunk, slots[i].size)});
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      const Chunk& c = chunks[static_cast<size_t>(k)];
      const AdamWSlot<T>& slot = slots[c.slot];
      if (slot.g == nullptr)
        average(slot, c.begin, c.end);
      else if (slot.vmax != nullptr)
        slot.ema != nullptr ? update<true, true>(slot, c.begin, c.end) : update<true, false>(slot, c.begin, c.end);
      else
        slot.ema != nullptr ? update<false, true>(slot, c.begin, c.end) : update<false, false>(slot, c.begin, c.end);
    }
  });
}

}  // namespace

void adamw_step_cpu(const std::vector<AdamWSlot<float>>& slots) { step(slots); }
void adamw_step_cpu(const std::vector<AdamWSlot<double>>& slots) { step(slots); }

}  // namespace eosin::kernels
