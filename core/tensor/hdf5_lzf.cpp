// Decoder of LZF (Lehmann), as h5py's filter stores it: a chunk is literals and back references, each headed by a control byte.
#include "core/tensor/hdf5_handle.h"

#include <cstdlib>

namespace eosin::h5 {
namespace {

constexpr H5Z_filter_t kLzf = 32000;
constexpr size_t kMaxChunk = size_t{256} << 20;

/// Number of bytes written, or 0 when the input is damaged or does not fit.
size_t lzf_decode(const uint8_t* in, size_t in_bytes, uint8_t* out, size_t out_bytes) {
  const uint8_t* const in_end = in + in_bytes;
  uint8_t* at = out;
  uint8_t* const end = out + out_bytes;
  while (in < in_end) {
    const size_t control = *in++;
    if (control < 32) {  // control + 1 literal bytes
      const size_t n = control + 1;
      if (static_cast<size_t>(in_end - in) < n || static_cast<size_t>(end - at) < n) return 0;
      for (size_t i = 0; i < n; ++i) *at++ = *in++;
      continue;
    }
    size_t n = control >> 5;
    if (n == 7) {
      if (in == in_end) return 0;
      n += *in++;
    }
    if (in == in_end) return 0;
    const size_t distance = ((control & 31) << 8) + *in++ + 1;
    n += 2;
    if (static_cast<size_t>(at - out) < distance || static_cast<size_t>(end - at) < n) return 0;
    for (const uint8_t* from = at - distance; n > 0; --n) *at++ = *from++;  // may overlap itself: byte by byte
  }
  return static_cast<size_t>(at - out);
}

/// HDF5's filter callback; its third parameter is the size of a decoded chunk.
size_t lzf_filter(unsigned flags, size_t n_parameters, const unsigned parameters[], size_t bytes, size_t* buffer_bytes, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0 || n_parameters < 3 || parameters[2] == 0 || parameters[2] > kMaxChunk) return 0;
  auto* out = static_cast<uint8_t*>(std::malloc(parameters[2]));
  if (out == nullptr) return 0;
  const size_t n = lzf_decode(static_cast<const uint8_t*>(*buffer), bytes, out, parameters[2]);
  if (n == 0) {
    std::free(out);
    return 0;
  }
  std::free(*buffer);
  *buffer = out;
  *buffer_bytes = parameters[2];
  return n;
}

}  // namespace

void register_lzf() {
  static const H5Z_class2_t kClass{H5Z_CLASS_T_VERS, kLzf, 0, 1, "lzf", nullptr, nullptr, lzf_filter};
  H5Zregister(&kClass);
}

}  // namespace eosin::h5
