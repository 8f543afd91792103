#include "core/base/file_kind.h"

#include "core/base/text.h"

#include <algorithm>
#include <fstream>
#include <string_view>

namespace eosin {
namespace {

using namespace std::string_view_literals;

constexpr size_t kLookedAt = 512;

struct Kind {
  size_t at;
  std::string_view bytes;
  const char* remark;
};
constexpr Kind kKinds[] = {
    {0, "\x1F\x8B"sv, "a gzip file: unpack it first"},
    {0, "BZh"sv, "a bzip2 file: unpack it first"},
    {0, "\xFD\x37zXZ\0"sv, "an xz file: unpack it first"},
    {0, "\x28\xB5\x2F\xFD"sv, "a zstd file: unpack it first"},
    {0, "PK\x03\x04"sv, "a zip archive, or a spreadsheet: unpack it first, or save it as CSV"},
    {257, "ustar"sv, "a tar archive"},
    {0, "\x89HDF\r\n\x1A\n"sv, "an HDF5 file"},
    {0, "\x89PNG"sv, "a PNG"},
    {0, "\xFF\xD8\xFF"sv, "a JPEG"},
    {0, "II*\0"sv, "a TIFF"},
    {0, "MM\0*"sv, "a TIFF"},
    {0, "II+\0"sv, "a BigTIFF"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "MATLAB 5.0"sv, "a MATLAB file"},
};

std::string first_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(kLookedAt, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, in.gcount())));
  return bytes;
}

/// Whether it is text, but for a character that is cut at the end.
bool is_text(std::string_view bytes) {
  constexpr size_t kLongestCharacter = 4;
  const size_t at = find_non_text(bytes);
  return !bytes.empty() && (at == std::string_view::npos || (bytes.size() == kLookedAt && at + kLongestCharacter > bytes.size()));
}

}  // namespace

std::string kind_remark(const std::string& path) {
  const std::string bytes = first_bytes(path);
  const std::string_view view = bytes;
  for (const Kind& kind : kKinds)
    if (view.size() >= kind.at && view.substr(kind.at).starts_with(kind.bytes)) return std::string("; it begins as ") + kind.remark;
  return is_text(view) ? "; it is a text file" : "";
}

}  // namespace eosin
