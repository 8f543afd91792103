#include "data/store_export.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/png.h"

#include <filesystem>
#include <vector>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kPerFolder = 10'000;

/// "00012/00123456.jpg": file systems dislike millions of files in one folder.
std::string file_name(uint64_t index, PictureFormat format) {
  return fmt::format("{:05}/{:08}.{}", index / kPerFolder, index, format == PictureFormat::kPng ? "png" : "jpg");
}

void write_picture(const TileStore& store, uint64_t index, PictureFormat format, const std::string& path, std::vector<uint8_t>& buffer) {
  if (format == PictureFormat::kJpeg && store.format().codec == Codec::kJpeg) return write_file(path, store.read(index, buffer));
  Image image;
  store.read_image(index, buffer, image);
  if (format == PictureFormat::kPng) return write_png(path, image);
  encode_jpeg(image, 95, Subsampling::k444, buffer);
  write_file(path, std::span<const uint8_t>(buffer));
}

}  // namespace

void export_tiles(const TileStore& store, const std::string& folder, PictureFormat format, const std::function<void(int64_t)>& progress) {
  fs::create_directories(folder);
  EOSIN_CHECK(fs::is_empty(folder), Config, "[{}] is not empty; export into a new folder", folder);
  std::vector<std::string> header = {"file", "slide", "patient", "x", "y", "level0_size", "mpp", "tissue", "qc"};
  std::vector<std::vector<std::string>> columns;
  for (const auto& name : store.columns()) {
    if (name == "patient") continue;  // the slide table's
    header.push_back(name);
    columns.push_back(store.column(name));
  }
  std::string table = csv_line(header);
  std::vector<uint8_t> buffer;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const std::string name = file_name(i, format);
    if (i % kPerFolder == 0) fs::create_directories((fs::path(folder) / name).parent_path());
    write_picture(store, i, format, (fs::path(folder) / name).string(), buffer);
    const TileRow tile = store.tile(i);
    const SlideRow& slide = store.slides()[tile.slide];
    const double mpp = store.format().target_mpp > 0 ? store.format().target_mpp : slide.mpp_x;
    std::vector<std::string> cells = {name,
                                      slide.id,
                                      slide.patient,
                                      std::to_string(tile.x),
                                      std::to_string(tile.y),
                                      std::to_string(tile.level0_size),
                                      fmt::format("{}", mpp),
                                      fmt::format("{:.4f}", tile.tissue / 255.0),
                                      std::to_string(tile.qc)};
    for (const auto& column : columns) cells.push_back(column[i]);
    table += csv_line(cells);
    if (progress) progress(static_cast<int64_t>(i + 1));
  }
  write_file((fs::path(folder) / "tiles.csv").string(), table);
}

}  // namespace eosin::data
