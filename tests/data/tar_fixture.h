#pragma once
// Tar archives made by hand, so that a test can make any.
#include <cstdint>
#include <cstdio>
#include <string>

namespace eosin::data {

/// A ustar header; `type` is '0' for a file, '5' a folder, '2' a link, 'L' GNU's long name, 'x' pax.
inline std::string tar_header(const std::string& name, uint64_t bytes, char type) {
  std::string h(512, '\0');
  h.replace(0, std::min<size_t>(name.size(), 100), name, 0, 100);
  const auto octal = [&](size_t at, size_t width, uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(width - 1), static_cast<unsigned long long>(value));
    h.replace(at, width - 1, text);
  };
  octal(100, 8, 0644);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, bytes);
  octal(136, 12, 0);
  h.replace(148, 8, "        ");
  h[156] = type;
  h.replace(257, 8, std::string("ustar\00000", 8));
  uint64_t sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  octal(148, 7, sum);
  h[154] = '\0';
  return h;
}

inline std::string tar_entry(const std::string& name, const std::string& bytes, char type = '0') {
  return tar_header(name, bytes.size(), type) + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

inline std::string gnu_long_name(const std::string& name) { return tar_entry("././@LongLink", name + std::string(1, '\0'), 'L'); }

/// A pax header that gives the next entry its name.
inline std::string pax_name(const std::string& name) {
  const std::string rest = " path=" + name + "\n";
  size_t length = rest.size() + 1;
  while (length != rest.size() + std::to_string(length).size()) ++length;
  return tar_entry("pax", std::to_string(length) + rest, 'x');
}

inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace eosin::data
