#include "data/tiff_damage.h"

#include "data/tiff_file.h"

namespace eosin::data {

std::optional<std::string> tiff_damage(const std::string& path) {
  if (!file_begins_as_tiff(path)) return std::nullopt;
  std::string message;
  const TiffHandle tiff = open_tiff(path, message);
  while (tiff && TIFFReadDirectory(tiff.get())) {
  }
  if (message.empty()) return std::nullopt;
  if (message.starts_with(path + ": ")) message.erase(0, path.size() + 2);
  return message;
}

}  // namespace eosin::data
