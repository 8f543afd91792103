#include "data/ome_tiff_reader.h"

#include "core/base/error.h"
#include "data/openslide_reader.h"
#include "data/slide_scale.h"
#include "data/tiff_file.h"
#include "data/tiff_reader.h"

namespace eosin::data {
namespace {

/// The first directory's text and resolution under OpenSlide's names, where resolve_scale() looks for them.
std::map<std::string, std::string> read_properties(const std::string& path) {
  std::map<std::string, std::string> properties;
  std::string message;
  const TiffHandle tiff = open_tiff(path, message);
  if (!tiff) return properties;
  const char* text = nullptr;
  if (TIFFGetField(tiff.get(), TIFFTAG_IMAGEDESCRIPTION, &text) && text) properties["tiff.ImageDescription"] = text;
  if (TIFFGetField(tiff.get(), TIFFTAG_SOFTWARE, &text) && text) properties["tiff.Software"] = text;
  uint16_t unit = RESUNIT_INCH;
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_RESOLUTIONUNIT, &unit);
  if (unit == RESUNIT_CENTIMETER || unit == RESUNIT_INCH) properties["tiff.ResolutionUnit"] = unit == RESUNIT_INCH ? "inch" : "centimeter";
  float pixels = 0;
  if (TIFFGetField(tiff.get(), TIFFTAG_XRESOLUTION, &pixels)) properties["tiff.XResolution"] = fmt::format("{}", pixels);
  if (TIFFGetField(tiff.get(), TIFFTAG_YRESOLUTION, &pixels)) properties["tiff.YResolution"] = fmt::format("{}", pixels);
  return properties;
}

std::optional<double> nominal_magnification(const std::string& xml) {
  constexpr std::string_view kKey = " NominalMagnification=\"";
  const size_t at = xml.find(kKey), end = xml.find('"', at + kKey.size());
  return at == std::string::npos || end == std::string::npos ? std::nullopt : parse_positive(xml.substr(at + kKey.size(), end - at - kKey.size()));
}

/// Files often hold a label and an overview beside the slide, each an <Image> with a scale of its own: the part that is of the (first) picture of
/// this size, or all of it if none says so.
std::string xml_of(const std::string& xml, Size size) {
  const std::string width = fmt::format(" SizeX=\"{}\"", size.width), height = fmt::format(" SizeY=\"{}\"", size.height);
  for (size_t at = xml.find("<Image "); at != std::string::npos;) {
    const size_t next = xml.find("<Image ", at + 1);
    const std::string image = xml.substr(at, next - at);
    if (image.find(width) != std::string::npos && image.find(height) != std::string::npos) return image;
    at = next;
  }
  return xml;
}

SlideInfo info_of(const std::string& path, const std::vector<TiffLevel>& levels) {
  SlideInfo info;
  info.path = path, info.reader = "ome-tiff", info.vendor = "ome-tiff";
  info.properties = read_properties(path);
  std::string& xml = info.properties["tiff.ImageDescription"];
  info.objective = nominal_magnification(xml);
  xml = xml_of(xml, levels[0].size);
  for (const TiffLevel& l : levels) {
    info.dimensions.push_back(l.size);
    info.downsamples.push_back((static_cast<double>(levels[0].size.width) / static_cast<double>(l.size.width) +
                                static_cast<double>(levels[0].size.height) / static_cast<double>(l.size.height)) /
                               2);
  }
  return info;
}

}  // namespace

bool ome_tiff_accepts(const std::string& path) {
  if (!file_begins_as_tiff(path)) return false;
  const auto properties = read_properties(path);
  const auto description = properties.find("tiff.ImageDescription");
  return description != properties.end() && description->second.find("<OME") != std::string::npos;
}

std::unique_ptr<SlideReader> open_ome_tiff(const std::string& path) {
  TiffTiles tiles(path, TiffDirectories::kOmePyramid);
  if (!tiles.levels().empty()) {
    SlideInfo info = info_of(path, tiles.levels());
    return make_tiff_reader(std::move(info), std::move(tiles));
  }
  EOSIN_CHECK(openslide_accepts(path), Data, "[slide] '{}' is an OME-TIFF without a tiled picture of 8-bit RGB in a compression that can be read",
              path);
  return open_tiff_slide(path);
}

}  // namespace eosin::data
