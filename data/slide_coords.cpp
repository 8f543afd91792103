#include "data/slide_coords.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/tensor/hdf5.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kChunkRows = 1024;
constexpr int64_t kLargestEdge = int64_t{1} << 31;
constexpr const char* kCoords = "coords";

void set_pair(h5::File& file, const char* name, int64_t a, int64_t b) {
  const std::array<int64_t, 2> values = {a, b};
  file.set_attribute<int64_t>(kCoords, name, values, {2});
}

void write_trident(h5::File& file, const SlideCoords& c) {
  file.set_attribute(kCoords, "patch_size", c.patch_size);
  file.set_attribute(kCoords, "patch_size_level0", c.patch_size_level0);
  file.set_attribute(kCoords, "level0_magnification", c.level0_magnification);
  file.set_attribute(kCoords, "target_magnification", c.target_magnification);
  file.set_attribute(kCoords, "overlap", c.overlap);
  file.set_attribute(kCoords, "level0_width", c.level0.value_or(Size{}).width);
  file.set_attribute(kCoords, "level0_height", c.level0.value_or(Size{}).height);
  file.set_text(kCoords, "name", c.name, true);
  file.set_text(kCoords, "savetodir", c.folder, true);
}

void write_clam(h5::File& file, const SlideCoords& c) {
  const std::array<double, 2> downsample = {c.downsample_x, c.downsample_y};
  const Size level = c.level.value_or(Size{});
  file.set_attribute(kCoords, "patch_size", c.patch_size);
  file.set_attribute(kCoords, "patch_level", c.patch_level);
  file.set_attribute<double>(kCoords, "downsample", downsample, {2});
  set_pair(file, "downsampled_level_dim", level.width, level.height);
  set_pair(file, "level_dim", level.width, level.height);
  file.set_text(kCoords, "name", c.name, true);
  file.set_text(kCoords, "save_path", c.folder, true);
}

/// The attributes of /coords, each with a type that is checked.
class Attributes {
 public:
  explicit Attributes(const h5::File& file) : file_(file) {}
  bool has(const char* name) const { return file_.attribute(kCoords, name).has_value(); }
  std::optional<int64_t> integer(const char* name) const { return file_.integer(kCoords, name); }

  int64_t need(const char* name) const {
    const auto value = integer(name);
    EOSIN_CHECK(value && *value > 0 && *value < kLargestEdge, Data, "[{}] coords: attribute '{}' is {} (need a positive number)", file_.path(), name,
                value ? std::to_string(*value) : "missing");
    return *value;
  }

  /// Two positive numbers, x and y.
  std::array<double, 2> pair(const char* name) const {
    const auto values = file_.numbers(kCoords, name).value_or(std::vector<double>{});
    const auto is_length = [](double v) { return v > 0 && v < static_cast<double>(kLargestEdge); };
    EOSIN_CHECK(values.size() == 2 && is_length(values[0]) && is_length(values[1]), Data,
                "[{}] coords: attribute '{}' is missing, or no pair of positive numbers", file_.path(), name);
    return {values[0], values[1]};
  }

 private:
  const h5::File& file_;
};

void read_trident(const Attributes& a, SlideCoords& c) {
  c.layout = CoordsLayout::kTrident;
  c.level0_magnification = a.integer("level0_magnification").value_or(0);
  c.target_magnification = a.integer("target_magnification").value_or(0);
  c.overlap = a.integer("overlap").value_or(0);
  // Files of older versions have magnifications alone.
  c.patch_size_level0 =
      a.has("patch_size_level0") ? a.need("patch_size_level0") : c.patch_size * a.need("level0_magnification") / a.need("target_magnification");
  if (a.has("level0_width") && a.has("level0_height")) c.level0 = Size{a.need("level0_width"), a.need("level0_height")};
}

void read_clam(const Attributes& a, SlideCoords& c, const std::string& path) {
  c.layout = CoordsLayout::kClam;
  c.patch_level = a.integer("patch_level").value_or(-1);
  EOSIN_CHECK(c.patch_level >= 0 && c.patch_level < 64, Data, "[{}] coords: patch_level is {} (need 0 to 63)", path, c.patch_level);
  const auto [x, y] = a.pair("downsample");
  c.downsample_x = x, c.downsample_y = y;
  const double edge = std::round(static_cast<double>(c.patch_size) * c.downsample_x);
  EOSIN_CHECK(edge >= 1 && edge < static_cast<double>(kLargestEdge), Data, "[{}] coords: downsample {} makes no tile", path, c.downsample_x);
  c.patch_size_level0 = static_cast<int64_t>(edge);
  if (a.has("level_dim")) {
    const auto [width, height] = a.pair("level_dim");
    c.level = Size{static_cast<int64_t>(width), static_cast<int64_t>(height)};
  }
}

std::vector<Point> read_points(const h5::File& file) {
  EOSIN_CHECK(file.has(kCoords), Data, "[{}] has no coords", file.path());
  const h5::Info info = file.info(kCoords);
  const bool integers = info.type == h5::Type::kI32 || info.type == h5::Type::kI64;
  EOSIN_CHECK(integers && info.shape.size() == 2 && info.shape[1] == 2, Data, "[{}] coords: shape [{}], need [N, 2] of int32 or int64", file.path(),
              fmt::join(info.shape, ", "));
  const auto xy = file.read<int64_t>(kCoords);
  std::vector<Point> points(info.shape[0]);
  for (size_t i = 0; i < points.size(); ++i) points[i] = {xy[2 * i], xy[2 * i + 1]};
  return points;
}

std::string slide_name(const fs::path& path) {
  static const std::string kSuffix = "_patches";
  const std::string stem = path.stem().string();
  return stem.size() > kSuffix.size() && stem.ends_with(kSuffix) ? stem.substr(0, stem.size() - kSuffix.size()) : stem;
}

}  // namespace

void write_slide_coords(const std::string& path, const SlideCoords& coords) {
  std::vector<int64_t> rows;
  for (const Point& p : coords.tiles) rows.insert(rows.end(), {p.x, p.y});
  write_beside(path, [&](const std::string& temporary) {
    h5::File file = h5::File::create(temporary);
    h5::Layout layout;
    layout.chunk = {kChunkRows, 2};
    layout.extendible = true;
    file.write<int64_t>(kCoords, rows, {coords.tiles.size(), 2}, layout);
    coords.layout == CoordsLayout::kTrident ? write_trident(file, coords) : write_clam(file, coords);
    if (!coords.identity.empty()) file.set_text("/", "identity", coords.identity);
    file.close();
  });
}

SlideCoords read_slide_coords(const std::string& path) {
  const h5::File file = h5::File::open(path);
  const Attributes attributes(file);
  SlideCoords c;
  c.tiles = read_points(file);
  c.name = slide_name(path);  // text attributes are not looked at: the library (HDF5 1.10) crashes where one is damaged
  c.patch_size = attributes.need("patch_size");
  c.identity = file.text("/", "identity").value_or("");
  const bool clam = attributes.has("patch_level"), trident = attributes.has("patch_size_level0") || attributes.has("level0_magnification");
  EOSIN_CHECK(clam || trident, Data,
              "[{}] coords: what a tile covers is not said (need CLAM's attribute patch_level, or TRIDENT's patch_size_level0 or magnifications)",
              path);
  clam ? read_clam(attributes, c, path) : read_trident(attributes, c);
  return c;
}

std::vector<std::pair<std::string, std::string>> list_slide_coords(const std::string& path) {
  EOSIN_CHECK(fs::exists(path), Io, "[{}] does not exist", path);
  if (!fs::is_directory(path)) return {{slide_name(path), path}};
  const fs::path inner = fs::path(path) / "patches";
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::directory_iterator(fs::is_directory(inner) ? inner : fs::path(path)))
    if (entry.is_regular_file() && entry.path().extension() == ".h5") files.emplace_back(slide_name(entry.path()), entry.path().string());
  EOSIN_CHECK(!files.empty(), Data, "[{}] holds no coordinate files (*.h5)", path);
  std::sort(files.begin(), files.end());
  for (size_t i = 1; i < files.size(); ++i)
    EOSIN_CHECK(files[i - 1].first != files[i].first, Data, "[{}] and [{}] are of one slide, '{}'", files[i - 1].second, files[i].second,
                files[i].first);
  return files;
}

}  // namespace eosin::data
