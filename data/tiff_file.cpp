#include "data/tiff_file.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <fstream>

namespace eosin::data {
namespace {

/// Keeps the first message; the others follow from it.
int keep_error(TIFF*, void* text, const char*, const char* format, va_list values) {
  auto& message = *static_cast<std::string*>(text);
  char line[300];
  std::vsnprintf(line, sizeof line, format, values);
  if (message.empty()) message = line;
  return 1;
}

/// Warnings are about tags that nobody reads, but for those of the JPEG decoder, which goes on with grey where a stream is damaged.
int keep_warning(TIFF* tiff, void* text, const char* module, const char* format, va_list values) {
  return std::string_view(module ? module : "") == "JPEGLib" ? keep_error(tiff, text, module, format, values) : 1;
}

constexpr tmsize_t kMostMemory = tmsize_t{1} << 30;  // of one piece: sizes in a damaged file may claim anything

struct Options {
  std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options{TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree};
  explicit Options(std::string& message) {
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &message);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), keep_warning, &message);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostMemory);
  }
};

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t wanted) {
  auto& file = *static_cast<TiffBytes*>(handle);
  if (file.position >= file.bytes.size() || wanted <= 0) return 0;
  const auto n = std::min(static_cast<uint64_t>(wanted), file.bytes.size() - file.position);
  std::copy_n(file.bytes.data() + file.position, n, static_cast<uint8_t*>(to));
  file.position += n;
  return static_cast<tmsize_t>(n);
}

tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return -1; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& file = *static_cast<TiffBytes*>(handle);
  const uint64_t from = whence == SEEK_CUR ? file.position : whence == SEEK_END ? file.bytes.size() : 0;
  return file.position = from + offset;
}

int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return static_cast<TiffBytes*>(handle)->bytes.size(); }

}  // namespace

bool begins_as_tiff(std::string_view bytes) {
  using namespace std::string_view_literals;
  const std::string_view magic = bytes.substr(0, 4);
  return magic == "II*\0"sv || magic == "MM\0*"sv || magic == "II+\0"sv || magic == "MM\0+"sv;
}

bool file_begins_as_tiff(const std::string& path) {
  std::array<char, 4> first{};
  std::ifstream(path, std::ios::binary).read(first.data(), first.size());
  return begins_as_tiff({first.data(), first.size()});
}

TiffHandle open_tiff(const std::string& path, std::string& message) {
  const Options options(message);
  return {TIFFOpenExt(path.c_str(), "rm", options.options.get()), TIFFClose};
}

TiffHandle open_tiff(TiffBytes& file, std::string& message) {
  const Options options(message);
  TIFF* tiff =
      TIFFClientOpenExt("picture", "rm", &file, read_bytes, write_nothing, seek, close_nothing, size_of, nullptr, nullptr, options.options.get());
  return {tiff, TIFFClose};
}

}  // namespace eosin::data
