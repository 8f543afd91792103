#include "data/tiff_file.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <string_view>

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

int keep_nothing(TIFF*, void*, const char*, const char*, va_list) { return 1; }

}  // namespace

bool begins_as_tiff(const std::string& path) {
  std::array<char, 4> first{};
  std::ifstream(path, std::ios::binary).read(first.data(), first.size());
  const std::string_view magic(first.data(), first.size());
  using namespace std::string_view_literals;
  return magic == "II*\0"sv || magic == "MM\0*"sv || magic == "II+\0"sv || magic == "MM\0+"sv;
}

TiffHandle open_tiff(const std::string& path, std::string& message) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &message);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), keep_nothing, nullptr);
  return {TIFFOpenExt(path.c_str(), "rm", options.get()), TIFFClose};
}

}  // namespace eosin::data
