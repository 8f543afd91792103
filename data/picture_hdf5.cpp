#include "data/picture_hdf5.h"

#include "core/base/error.h"
#include "core/tensor/hdf5.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kRowsAtOnce = 64;  // HDF5 counts all chunks of a data set at every read

/// Serves rows of one data set of one file at a time from blocks; entries come in order.
template <class Row>
class BlockReader {
 public:
  using Read = std::vector<Row> (*)(const h5::File& file, const std::string& dataset, uint64_t first, uint64_t rows);
  BlockReader(std::string dataset, Read read) : dataset_(std::move(dataset)), read_(read) {}

  Row& row(const std::string& path, uint64_t index) {
    if (!file_ || file_->path() != path) file_ = std::make_unique<h5::File>(h5::File::open(path)), block_.clear();
    if (index < first_ || index >= first_ + block_.size()) {
      const uint64_t all = file_->info(dataset_).shape.at(0);
      first_ = index;
      try {
        block_ = read_(*file_, dataset_, index, std::min(kRowsAtOnce, all - index));
      } catch (const Error&) {  // the row that cannot be read must not take its neighbours along
        block_.clear();
        block_ = read_(*file_, dataset_, index, 1);
      }
    }
    return block_[index - first_];
  }

 private:
  const std::string dataset_;
  const Read read_;
  std::unique_ptr<h5::File> file_;
  uint64_t first_ = 0;
  std::vector<Row> block_;
};

std::vector<Image> read_pixels(const h5::File& file, const std::string& dataset, uint64_t first, uint64_t rows) {
  const h5::Info info = file.info(dataset);
  const std::vector<uint8_t> pixels = file.read<uint8_t>(dataset, first, rows);
  std::vector<Image> images;
  for (uint64_t i = 0; i < rows; ++i) images.emplace_back(static_cast<int64_t>(info.shape[1]), static_cast<int64_t>(info.shape[2]));
  for (uint64_t i = 0; i < rows; ++i)
    std::copy_n(pixels.begin() + static_cast<int64_t>(i * images[i].rgb.size()), images[i].rgb.size(), images[i].rgb.begin());
  return images;
}

std::vector<std::string> read_streams(const h5::File& file, const std::string& dataset, uint64_t first, uint64_t rows) {
  return file.read_bytes(dataset, first, rows);
}

/// Coordinates [N, 2] of `rows` rows, or none where the file has no such data set.
std::vector<int64_t> read_coords(const h5::File& file, uint64_t rows) {
  if (!file.has("coords")) return {};
  const h5::Info info = file.info("coords");
  EOSIN_CHECK(info.shape == (std::vector<uint64_t>{rows, 2}), Data, "[{}] coords: shape [{}], need [{}, 2]", file.path(), fmt::join(info.shape, ", "),
              rows);
  return file.read<int64_t>("coords");
}

/// Level-0 pixels a pixel of CLAM's coordinates, x and y: the level's downsample times CLAM's own (custom_downsample).
std::pair<double, double> clam_scale(const h5::File& file) {
  const auto pair = [&](const char* name) {
    const auto values = file.numbers("imgs", name).value_or(std::vector<double>{});
    const bool fits = values.size() == 2 && std::all_of(values.begin(), values.end(), [](double v) { return v > 0 && v < 1e9; });
    EOSIN_CHECK(fits, Data, "[{}] imgs: attribute '{}' is missing, or no pair of positive numbers: the coordinates have no scale", file.path(), name);
    return values;
  };
  const auto downsample = pair("downsample"), level = pair("level_dim"), read = pair("downsampled_level_dim");
  return {downsample[0] * std::round(level[0] / read[0]), downsample[1] * std::round(level[1] / read[1])};
}

int64_t scaled(int64_t v, double scale, const std::string& where) {
  const double level0 = std::round(static_cast<double>(v) * scale);
  EOSIN_CHECK(std::abs(level0) < 2147483648.0, Data, "[{}] a coordinate lies beyond any slide ({} times {})", where, v, scale);
  return static_cast<int64_t>(level0);
}

void list_clam_bag(const std::string& path, const ImportConfig& config, std::vector<ImageEntry>& out) {
  const h5::File file = h5::File::open(path);
  const h5::Info info = file.info("imgs");
  EOSIN_CHECK(info.type == h5::Type::kU8 && info.shape.size() == 4 && info.shape[3] == 3, Data, "[{}] imgs: shape [{}], need [N, H, W, 3] of uint8",
              path, fmt::join(info.shape, ", "));
  const uint64_t n = info.shape[0];
  const std::vector<int64_t> coords = read_coords(file, n);
  const auto [scale_x, scale_y] = coords.empty() ? std::pair(1.0, 1.0) : clam_scale(file);
  const std::string slide = fs::path(path).stem().string();  // as CLAM names its files after slides
  for (uint64_t i = 0; i < n; ++i) {
    ImageEntry e;
    e.id = fmt::format("{}/{}", slide, i);
    e.file = path, e.place = i;
    e.where = fmt::format("{}: imgs[{}]", path, i);
    e.slide = slide;
    if (!coords.empty()) {
      e.x = scaled(coords[2 * i], scale_x, e.where), e.y = scaled(coords[2 * i + 1], scale_y, e.where);
      e.level0_size = scaled(static_cast<int64_t>(info.shape[2]), scale_x, e.where);
    }
    e.mpp = config.mpp;
    out.push_back(std::move(e));
  }
}

/// The data set of byte lists: the one that is named, or the only one.
std::string stream_dataset(const h5::File& file, const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  std::vector<std::string> found;
  for (const auto& name : file.members())
    if (file.has(name) && !file.is_group(name) && file.info(name).type == h5::Type::kBytes) found.push_back(name);
  EOSIN_CHECK(found.size() == 1, Data, "[{}] holds {} data sets of byte lists{}; name one with columns.file", file.path(), found.size(),
              found.empty() ? "" : fmt::format(" ({})", fmt::join(found, ", ")));
  return found[0];
}

/// Texts of a column under the name that is wanted, or the first of the usual ones that is there; empty without one.
std::vector<std::string> text_column(const h5::File& file, const std::string& wanted, std::initializer_list<const char*> usual, uint64_t rows) {
  std::string name = wanted;
  for (const char* candidate : usual)
    if (name.empty() && file.has(candidate)) name = candidate;
  if (name.empty()) return {};
  const h5::Info info = file.info(name);
  EOSIN_CHECK(info.shape == std::vector<uint64_t>{rows}, Data, "[{}] {}: shape [{}], need [{}]", file.path(), name, fmt::join(info.shape, ", "),
              rows);
  if (info.type == h5::Type::kText) return file.read_text(name);
  std::vector<std::string> texts;
  for (const int64_t v : file.read<int64_t>(name)) texts.push_back(std::to_string(v));
  return texts;
}

void list_jpeg_hdf5(const std::string& path, const ImportConfig& config, const std::string& dataset, std::vector<ImageEntry>& out) {
  const h5::File file = h5::File::open(path);
  const h5::Info info = file.info(dataset);
  EOSIN_CHECK(info.type == h5::Type::kBytes && info.shape.size() == 1, Data, "[{}] {}: is no list of byte lists", path, dataset);
  const uint64_t n = info.shape[0];
  const ImportColumns& names = config.columns;
  const auto id = text_column(file, "", {"id", "ids", "key", "keys"}, n), label = text_column(file, names.label, {"label", "labels", "class"}, n);
  const auto group = text_column(file, names.group, {"group"}, n),
             patient = text_column(file, names.patient, {"patient", "patient_id", "case", "case_id"}, n);
  const auto slide = text_column(file, names.slide, {"slide"}, n), split = text_column(file, names.split, {"split"}, n);
  const auto caption = text_column(file, "", {"caption", "captions"}, n);
  const auto coords = read_coords(file, n);
  const std::string stem = fs::path(path).stem().string();
  const auto text = [](const std::vector<std::string>& column, uint64_t i) { return column.empty() ? std::string() : column[i]; };
  for (uint64_t i = 0; i < n; ++i) {
    ImageEntry e;
    e.id = id.empty() ? fmt::format("{}/{}", stem, i) : id[i];
    e.file = path, e.place = i;
    e.where = fmt::format("{}: {}[{}]", path, dataset, i);
    e.label = text(label, i), e.group = text(group, i), e.patient = text(patient, i), e.split = text(split, i), e.caption = text(caption, i);
    e.slide = text(slide, i);
    for (const std::string& next : {e.group, e.patient, stem})
      if (e.slide.empty()) e.slide = next;
    if (!coords.empty()) e.x = scaled(coords[2 * i], 1, e.where), e.y = scaled(coords[2 * i + 1], 1, e.where);
    e.mpp = config.mpp;
    out.push_back(std::move(e));
  }
}

PictureHdf5 kind_of(const h5::File& file) {
  if (file.has("imgs")) return PictureHdf5::kClamBag;
  for (const auto& name : file.members())
    if (file.has(name) && !file.is_group(name) && file.info(name).type == h5::Type::kBytes) return PictureHdf5::kJpegStreams;
  return file.has("coords") ? PictureHdf5::kCoords : PictureHdf5::kNone;
}

bool is_hdf5_name(const fs::path& path) { return path.extension() == ".h5" || path.extension() == ".hdf5"; }

bool begins_as_hdf5(const std::string& path) {
  std::array<char, 8> bytes{};
  std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size());
  return std::string_view(bytes.data(), bytes.size()) == "\x89HDF\r\n\x1a\n";
}

}  // namespace

std::vector<std::string> hdf5_files(const std::string& path) {
  std::vector<std::string> files;
  if (fs::is_regular_file(path) && (is_hdf5_name(path) || begins_as_hdf5(path))) files.push_back(path);
  for (const fs::path& folder : {fs::path(path), fs::path(path) / "patches"})
    if (files.empty() && fs::is_directory(folder))
      for (const auto& entry : fs::directory_iterator(folder))
        if (entry.is_regular_file() && is_hdf5_name(entry.path())) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

PictureHdf5 picture_hdf5_kind(const std::vector<std::string>& files) {
  std::exception_ptr first;
  for (const auto& path : files) {
    try {
      return kind_of(h5::File::open(path));
    } catch (const Error&) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
  return PictureHdf5::kNone;
}

ImageTable read_clam_bags(const std::string& path, const ImportConfig& config) {
  ImageTable table;
  for (const auto& file : hdf5_files(path)) list_clam_bag(file, config, table.entries);
  EOSIN_CHECK(!table.entries.empty(), Data, "[{}] holds no pictures", path);
  const auto reader = std::make_shared<BlockReader<Image>>("imgs", read_pixels);
  table.read = [reader](const ImageEntry& e) -> Picture { return reader->row(e.file, e.place); };
  return table;
}

ImageTable read_jpeg_hdf5(const std::string& path, const ImportConfig& config) {
  const auto files = hdf5_files(path);
  EOSIN_CHECK(!files.empty(), Data, "[{}] holds no HDF5 files (*.h5, *.hdf5)", path);
  const std::string dataset = stream_dataset(h5::File::open(files[0]), config.columns.file);
  ImageTable table;
  for (const auto& file : files) list_jpeg_hdf5(file, config, dataset, table.entries);
  EOSIN_CHECK(!table.entries.empty(), Data, "[{}] holds no pictures", path);
  const auto reader = std::make_shared<BlockReader<std::string>>(dataset, read_streams);
  table.read = [reader](const ImageEntry& e) -> Picture { return reader->row(e.file, e.place); };
  return table;
}

}  // namespace eosin::data
