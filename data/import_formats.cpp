#include "data/import_formats.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "data/idx.h"
#include "data/picture_hdf5.h"
#include "data/webdataset.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kLargestIdx = uint64_t{8} << 30;

bool is_table(const std::string& path) { return fs::is_regular_file(path) && CsvTable::is_named(path); }

bool is_packed(const std::string& path) {
  const auto ends = [&](const char* ending) { return path.ends_with(ending); };
  return ends(".tgz") || ends(".tar.gz") || ends(".tar.bz2") || ends(".tar.xz") || ends(".tar.zst") || ends(".zip");
}

bool is_webdataset(const std::string& path) {
  const auto is_tar = [](const fs::directory_entry& e) { return e.is_regular_file() && e.path().extension() == ".tar"; };
  if (!fs::is_directory(path)) return fs::path(path).extension() == ".tar";
  return std::any_of(fs::directory_iterator(path), fs::directory_iterator(), is_tar);
}

bool is_hdf5_of(const std::string& path, PictureHdf5 kind) { return picture_hdf5_kind(hdf5_files(path)) == kind; }

/// Picture i of an IDX array [N, H, W] (grey) or [N, H, W, 3].
Image idx_picture(const Tensor& pictures, int64_t i) {
  Image image(pictures.size(1), pictures.size(2));
  const int64_t channels = pictures.dim() == 4 ? 3 : 1;
  const uint8_t* from = pictures.const_data_ptr<uint8_t>() + i * image.height * image.width * channels;
  for (size_t k = 0; k < image.rgb.size(); ++k) image.rgb[k] = channels == 3 ? from[k] : from[k / 3];
  return image;
}

ImageTable read_idx_table(const std::string& path, const ImportConfig& config) {
  const Tensor pictures = read_idx(path, kLargestIdx);
  const bool grey = pictures.dim() == 3, colour = pictures.dim() == 4 && pictures.size(3) == 3;
  EOSIN_CHECK(pictures.scalar_type() == at::kByte && (grey || colour) && pictures.numel() > 0, Data,
              "[{}] has shape [{}] of {}, need pictures [N, H, W] or [N, H, W, 3] of uint8", path, fmt::join(pictures.sizes().vec(), ", "),
              c10::toString(pictures.scalar_type()));
  const int64_t n = pictures.size(0);
  Tensor labels;
  if (!config.labels.empty()) {
    labels = read_idx(config.labels).to(at::kLong);
    EOSIN_CHECK(labels.dim() == 1 && labels.size(0) == n, Data, "[{}] has {} labels, {} has {} pictures", config.labels, labels.numel(), path, n);
  }
  ImageTable table;
  table.raw = true;
  table.read = [pictures](const ImageEntry& e) -> Picture { return idx_picture(pictures, static_cast<int64_t>(e.place)); };
  for (int64_t i = 0; i < n; ++i) {
    ImageEntry e;
    e.id = std::to_string(i);
    e.file = path, e.place = static_cast<uint64_t>(i);
    e.where = fmt::format("{}: picture {}", path, i);
    e.slide = fs::path(path).filename().string();
    if (labels.defined()) e.label = std::to_string(labels[i].item<int64_t>());
    e.mpp = config.mpp;
    table.entries.push_back(std::move(e));
  }
  return table;
}

}  // namespace

const std::vector<ImportFormat>& import_formats() {
  static const std::vector<ImportFormat> table = {
      {"table", "a CSV or TSV with a row a picture (columns.*)", "-", is_table, read_image_csv},
      {"webdataset", "a tar, or a folder of tars: key.jpg or key.png with key.cls, key.txt, key.json", "github.com/webdataset/webdataset",
       is_webdataset, read_webdataset},
      {"clam_bags", "HDF5 with /imgs and /coords, one slide a file", "Lu et al. 2021 (CLAM, create_patches)",
       [](const std::string& path) { return is_hdf5_of(path, PictureHdf5::kClamBag); }, read_clam_bags},
      {"jpeg_hdf5", "HDF5 with a data set of JPEG streams (vlen uint8), labels beside it", "-",
       [](const std::string& path) { return is_hdf5_of(path, PictureHdf5::kJpegStreams); }, read_jpeg_hdf5},
      {"coords", "coordinates of TRIDENT or CLAM, one file a slide; tiles are cut again from the slides (slides)",
       "Lu et al. 2021 (CLAM); Zhang et al. 2025 (TRIDENT)", [](const std::string& path) { return is_hdf5_of(path, PictureHdf5::kCoords); }, nullptr},
      {"folder", "every JPEG, PNG and TIFF below a folder; its folder is its class", "-",
       [](const std::string& path) { return fs::is_directory(path); }, read_image_folder},
      {"idx", "a file of pictures as MNIST's, labels in a file of its own (labels)", "LeCun et al. 1998 (MNIST)",
       [](const std::string& path) { return hdf5_files(path).empty(); }, read_idx_table},
  };
  return table;
}

std::vector<std::string> import_format_names() {
  std::vector<std::string> names = {"auto"};
  for (const auto& format : import_formats()) names.push_back(format.name);
  return names;
}

const ImportFormat& import_format(const std::string& path, const std::string& name) {
  EOSIN_CHECK(!is_packed(path), Data, "[{}] is packed; unpack it (WebDataset tars are read where they lie, so they must be plain .tar files)", path);
  for (const ImportFormat& format : import_formats())
    if (name == format.name || (name == "auto" && format.accepts(path))) return format;
  const auto names = import_format_names();
  EOSIN_CHECK(std::find(names.begin(), names.end(), name) != names.end(), Config, "[store import] unknown format '{}' (need one of: {})", name,
              fmt::join(names, ", "));
  fail(ErrorKind::Data, "[{}] holds neither imgs, coords nor JPEG streams; name its format with format=", path);
}

}  // namespace eosin::data
