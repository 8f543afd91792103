#include "data/slide_scale.h"

#include "core/base/error.h"

#include <charconv>
#include <cmath>

namespace eosin::data {
namespace {

constexpr double kLowestMpp = 0.02, kHighestMpp = 50;

struct Pair {
  std::optional<double> x, y;
};

std::optional<double> plausible(double mpp) {
  if (mpp >= kLowestMpp && mpp <= kHighestMpp) return mpp;
  return std::nullopt;
}

std::string text_of(const SlideInfo& info, const std::string& name) {
  const auto it = info.properties.find(name);
  return it == info.properties.end() ? std::string() : it->second;
}

Pair from_property(const SlideInfo& info, const char* x, const char* y) { return {plausible_mpp(text_of(info, x)), plausible_mpp(text_of(info, y))}; }

/// The description that an OME-TIFF or a Perkin-Elmer file carries as XML.
std::string description(const SlideInfo& info) {
  const std::string comment = text_of(info, "openslide.comment");
  return comment.empty() ? text_of(info, "tiff.ImageDescription") : comment;
}

/// The text between `before` and `after`, empty if absent.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const size_t start = text.find(before);
  if (start == std::string::npos) return {};
  const size_t end = text.find(after, start + before.size());
  return end == std::string::npos ? std::string() : text.substr(start + before.size(), end - start - before.size());
}

/// Micrometres in one unit of OME's length units; nothing for a unit that is no length of ours.
std::optional<double> micrometres(const std::string& unit) {
  if (unit.empty() || unit == "µm" || unit == "um" || unit == "&#181;m" || unit == "micrometer") return 1.0;
  if (unit == "nm") return 1e-3;
  if (unit == "mm") return 1e3;
  if (unit == "cm") return 1e4;
  return std::nullopt;
}

std::optional<double> ome_axis(const std::string& xml, const std::string& axis) {
  const auto value = parse_positive(between(xml, " PhysicalSize" + axis + "=\"", "\""));
  const auto unit = micrometres(between(xml, " PhysicalSize" + axis + "Unit=\"", "\""));
  return value && unit ? plausible(*value * *unit) : std::nullopt;
}

Pair from_ome(const SlideInfo& info) {
  const std::string xml = description(info);
  return {ome_axis(xml, "X"), ome_axis(xml, "Y")};
}

Pair from_pixel_size_microns(const SlideInfo& info) {
  const auto mpp = plausible_mpp(between(description(info), "<PixelSizeMicrons>", "</PixelSizeMicrons>"));
  return {mpp, mpp};
}

Pair from_tiff(const SlideInfo& info) {
  const std::string unit = text_of(info, "tiff.ResolutionUnit");
  const double micrometres_a_unit = unit == "centimeter" ? 1e4 : unit == "inch" ? 25400 : 0;
  const auto axis = [&](const char* name) -> std::optional<double> {
    const auto pixels = parse_positive(text_of(info, name));
    return pixels ? plausible(micrometres_a_unit / *pixels) : std::nullopt;
  };
  return {axis("tiff.XResolution"), axis("tiff.YResolution")};
}

/// DICOM: rows first, millimetres, "dy\dx".
Pair from_dicom(const SlideInfo& info) {
  for (const char* name : {"dicom.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing", "dicom.PixelSpacing"}) {
    const auto axis = [&](const std::string& index) -> std::optional<double> {
      const auto mm = parse_positive(text_of(info, std::string(name) + "[" + index + "]"));
      return mm ? plausible(*mm * 1e3) : std::nullopt;
    };
    if (const Pair p{axis("1"), axis("0")}; p.x || p.y) return p;
  }
  return {};
}

Pair from_objective(const SlideInfo& info) {
  if (!info.objective) return {};
  return {plausible(10.0 / *info.objective), plausible(10.0 / *info.objective)};
}

struct Source {
  const char* name;
  const char* looks_at;
  Pair (*find)(const SlideInfo&);
};
const Source kSources[] = {
    {"openslide.mpp", "openslide.mpp-x",
     [](const SlideInfo& i) {
       return Pair{i.mpp_x, i.mpp_y};
     }},
    {"aperio.MPP", "aperio.MPP", [](const SlideInfo& i) { return from_property(i, "aperio.MPP", "aperio.MPP"); }},
    {"hamamatsu.XResolution", "hamamatsu.XResolution",
     [](const SlideInfo& i) { return from_property(i, "hamamatsu.XResolution", "hamamatsu.YResolution"); }},
    {"ome.PhysicalSizeX", "OME PhysicalSizeX", from_ome},
    {"PixelSizeMicrons", "PixelSizeMicrons", from_pixel_size_microns},
    {"tiff.XResolution", "tiff.XResolution with a unit", from_tiff},
    {"dicom.PixelSpacing", "dicom.PixelSpacing", from_dicom},
    {"objective", "openslide.objective-power", from_objective},
};

Scale make(const Pair& p, std::string source) {
  Scale s;
  s.mpp_x = p.x ? *p.x : *p.y;
  s.mpp_y = p.y ? *p.y : *p.x;
  s.mpp = (s.mpp_x + s.mpp_y) / 2;
  s.source = std::move(source);
  return s;
}

void add_warnings(const SlideInfo& info, Scale& s) {
  if (s.mpp < 0.1 || s.mpp > 2.5) s.warnings.push_back(fmt::format("unusual mpp {} (usual: 0.1 to 2.5)", s.mpp));
  if (std::abs(s.mpp_x / s.mpp_y - 1) > 0.02)
    s.warnings.push_back(fmt::format("mpp differs by axis (x {}, y {}); the mean {} is used", s.mpp_x, s.mpp_y, s.mpp));
  if (info.objective && std::abs(s.mpp * *info.objective / 10 - 1) > 0.3)
    s.warnings.push_back(fmt::format("mpp {} and the {}x objective disagree; mpp is trusted", s.mpp, *info.objective));
}

std::optional<Scale> find(const SlideInfo& info, std::optional<double> user_mpp, std::optional<double> assume_mpp) {
  if (user_mpp) return make({user_mpp, user_mpp}, "csv");
  for (const Source& source : kSources)
    if (const Pair p = source.find(info); p.x || p.y) return make(p, source.name);
  if (assume_mpp) return make({assume_mpp, assume_mpp}, "assume_mpp");
  return std::nullopt;
}

}  // namespace

std::optional<double> parse_positive(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || !(value > 0)) return std::nullopt;
  return value;
}

std::optional<double> plausible_mpp(const std::string& text) {
  const auto value = parse_positive(text);
  return value ? plausible(*value) : std::nullopt;
}

Scale resolve_scale(const SlideInfo& info, std::optional<double> user_mpp, std::optional<double> assume_mpp) {
  std::optional<Scale> scale = find(info, user_mpp, assume_mpp);
  if (!scale) {
    std::string looked_at;
    for (const Source& s : kSources) looked_at += (looked_at.empty() ? "" : ", ") + std::string(s.looks_at);
    fail(ErrorKind::Data,
         "[scale] '{}' does not say its micrometres per pixel (looked at {}); give a column mpp in the slides' CSV, or assume_mpp=...", info.path,
         looked_at);
  }
  add_warnings(info, *scale);
  return *scale;
}

}  // namespace eosin::data
