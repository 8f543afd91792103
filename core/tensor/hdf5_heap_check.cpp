// Attributes of variable length are read by the library. What libhdf5 1.10 does not check: it walks the objects of a global heap by the
// sizes that the file gives, for ever where one of them is zero.
#include "core/base/byte_reader.h"
#include "core/base/mapped_file.h"
#include "core/tensor/hdf5_handle.h"

#include <string_view>

namespace eosin::h5 {
namespace {

constexpr std::string_view kSignature("GCOL\x01\0\0\0", 8);  // with the version, and zeros that make a chance match unlikely
constexpr uint64_t kHeaderBytes = 16, kObjectBytes = 16;

/// Whether every object of the collection ends where another one can begin, and inside of it.
bool is_sound(std::span<const uint8_t> from_here) {
  if (from_here.size() < kHeaderBytes) return false;
  ByteReader header(from_here.subspan(kSignature.size()), "");
  const auto size = header.number<uint64_t>();
  if (size < kHeaderBytes || size > from_here.size()) return false;
  ByteReader objects(from_here.subspan(kHeaderBytes, size - kHeaderBytes), "");
  while (objects.left() >= kObjectBytes) {
    const auto index = objects.number<uint16_t>();
    objects.take(6);
    uint64_t bytes = objects.number<uint64_t>();
    if (index == 0) {  // free space, whose size counts its own header
      if (bytes < kObjectBytes) return false;
      bytes -= kObjectBytes;
    } else if (bytes > objects.left()) {
      return false;
    } else {
      bytes = (bytes + 7) / 8 * 8;
    }
    if (bytes > objects.left()) return false;
    objects.take(bytes);
  }
  return true;
}

}  // namespace

void File::Impl::check_heaps() const {
  if (heaps_checked) return;
  const MappedFile mapped = map_file(path);
  const std::string_view text(reinterpret_cast<const char*>(mapped.bytes.data()), mapped.bytes.size());
  for (size_t at = text.find(kSignature); at != std::string_view::npos; at = text.find(kSignature, at + 1))
    EOSIN_CHECK(is_sound(mapped.bytes.subspan(at)), Data, "[{}] its heap of texts at byte {} is damaged", path, at);
  heaps_checked = true;
}

}  // namespace eosin::h5
