#include "data/feature_store.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/version.h"
#include "core/tensor/torch_archive.h"
#include "data/slide_scale.h"
#include "data/tile_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kChunkRows = 1024;

at::ScalarType scalar_type(h5::Type type, const std::string& where) {
  switch (type) {
    case h5::Type::kU8:
      return at::kByte;
    case h5::Type::kI32:
      return at::kInt;
    case h5::Type::kI64:
      return at::kLong;
    case h5::Type::kF16:
      return at::kHalf;
    case h5::Type::kF32:
      return at::kFloat;
    case h5::Type::kF64:
      return at::kDouble;
    default:
      fail(ErrorKind::Data, "[{}] has an element type that such a data set does not have", where);
  }
}

h5::Type file_type(const Tensor& t) {
  return t.scalar_type() == at::kHalf ? h5::Type::kF16 : t.scalar_type() == at::kFloat ? h5::Type::kF32 : h5::Type::kI64;
}

std::span<const uint8_t> bytes_of(const Tensor& contiguous) {
  return {static_cast<const uint8_t*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

std::string join(const std::vector<std::string>& ids) { return fmt::format("{}", fmt::join(ids, "\n")); }

int64_t count_non_finite(const Tensor& t) { return t.numel() - at::isfinite(t).sum().item<int64_t>(); }

void check_crc(const h5::File& file, const std::string& dataset, uint32_t got) {
  const auto want = file.integer(dataset, "crc32c");
  EOSIN_CHECK(!want || *want == got, Data, "[{}] {}: the data are damaged (checksum {:08x}, need {:08x})", file.path(), dataset, got, *want);
}

Tensor read_tensor(const h5::File& file, const std::string& dataset) {
  const h5::Info info = file.info(dataset);
  const std::vector<int64_t> shape(info.shape.begin(), info.shape.end());
  const at::ScalarType type = scalar_type(info.type, file.path() + ": " + dataset);
  // The size is checked against the file before memory is taken: a chunked data set may claim anything.
  EOSIN_CHECK(info.count() * h5::element_size(info.type) / 16 <= std::max<uint64_t>(info.stored_bytes, 1u << 20), Data,
              "[{}] {}: claims {} elements, but only {} bytes are stored", file.path(), dataset, info.count(), info.stored_bytes);
  Tensor t = at::empty(shape, type);
  if (t.numel() > 0) file.read_into(dataset, info.type, t.mutable_data_ptr(), t.nbytes());
  check_crc(file, dataset, crc32c(bytes_of(t)));
  return t;
}

void check_coords(const Tensor& t, const std::string& path) {
  const bool integers = t.scalar_type() == at::kInt || t.scalar_type() == at::kLong;
  EOSIN_CHECK(integers && t.dim() == 2 && t.size(1) == 2, Data, "[{}] coords: shape [{}] of {}, need [N, 2] of int32 or int64", path,
              fmt::join(t.sizes().vec(), ", "), c10::toString(t.scalar_type()));
}

Tensor checked_features(Tensor t, const std::string& path, NonFinite non_finite) {
  if (t.dim() == 3 && t.size(0) == 1) t = t.squeeze(0);
  EOSIN_CHECK(at::isFloatingType(t.scalar_type()) && t.dim() == 2, Data,
              "[{}] features: shape [{}] of {}, need [N, D] of float16, float32 or float64", path, fmt::join(t.sizes().vec(), ", "),
              c10::toString(t.scalar_type()));
  if (non_finite == NonFinite::DropRow) return t;
  const int64_t bad = count_non_finite(t);
  if (bad > 0)
    fail(ErrorKind::Data, "[{}] features: {} of {} values are not finite (the first in row {})", path, bad, t.numel(),
         at::isfinite(t).all(1).logical_not().nonzero()[0].item<int64_t>());
  return t;
}

void check_images(const Tensor& t, const std::string& path) {
  EOSIN_CHECK(t.scalar_type() == at::kByte && t.dim() == 4 && t.size(3) == 3, Data, "[{}] imgs: shape [{}], need [N, H, W, 3] of uint8", path,
              fmt::join(t.sizes().vec(), ", "));
}

void check_rows(const TensorMap& tensors, const std::string& path) {
  for (const auto& [name, t] : tensors) {
    const auto& [first, reference] = *tensors.begin();
    EOSIN_CHECK(t.size(0) == reference.size(0), Data, "[{}] {} has {} rows, {} has {}", path, first, reference.size(0), name, t.size(0));
  }
}

SlideFile read_slide_file(const h5::File& file, NonFinite non_finite) {
  SlideFile slide;
  for (const char* name : {"coords", "features", "imgs"}) {
    if (!file.has(name)) continue;
    slide.tensors[name] = read_tensor(file, name);
    for (const auto& attribute : file.attributes(name)) slide.attributes[name].emplace(attribute, file.attribute(name, attribute).value());
  }
  EOSIN_CHECK(!slide.tensors.empty(), Data, "[{}] holds none of the data sets coords, features, imgs", file.path());
  if (slide.tensors.count("coords")) check_coords(slide.tensors["coords"], file.path());
  if (slide.tensors.count("features")) slide.tensors["features"] = checked_features(slide.tensors["features"], file.path(), non_finite);
  if (slide.tensors.count("imgs")) check_images(slide.tensors["imgs"], file.path());
  check_rows(slide.tensors, file.path());
  return slide;
}

bool is_pt(const std::string& path) { return fs::path(path).extension() == ".pt"; }

/// CLAM's pt_files: one tensor that torch.save wrote.
SlideFile read_pt(const std::string& path, NonFinite non_finite) {
  TensorMap tensors = read_torch_archive(path);
  EOSIN_CHECK(tensors.size() == 1 && tensors.begin()->first.empty(), Data, "[{}] holds {} named tensors (need one without a name: the features)",
              path, tensors.size());
  return {{{"features", checked_features(tensors.begin()->second, path, non_finite)}}, {}};
}

/// A file without coordinates and without a word of its origin.
SlideFeatures read_pt_features(const std::string& path, NonFinite non_finite) {
  SlideFeatures out;
  out.meta.name = fs::path(path).stem().string();
  out.features_ND = read_pt(path, non_finite).tensors.at("features");
  out.coords_N2 = at::zeros({out.features_ND.size(0), 2}, at::kLong);
  return out;
}

FeatureMeta read_meta(const h5::File& file) {
  FeatureMeta m;
  const auto text = [&](const char* object, const char* name) { return file.has(object) ? file.text(object, name).value_or("") : ""; };
  const auto integer = [&](const char* name) { return file.has("coords") ? file.integer("coords", name).value_or(0) : 0; };
  m.name = text("features", "name");
  if (m.name.empty()) m.name = text("coords", "name");
  if (m.name.empty()) m.name = fs::path(file.path()).stem().string();
  m.savetodir = text("features", "savetodir");
  m.encoder = text("features", "encoder");
  m.patch_size = integer("patch_size");
  m.patch_size_level0 = integer("patch_size_level0");
  m.level0_magnification = integer("level0_magnification");
  m.target_magnification = integer("target_magnification");
  m.overlap = integer("overlap");
  m.level0_width = integer("level0_width");
  m.level0_height = integer("level0_height");
  m.mpp = file.number("features", "mpp").value_or(0);
  m.weights_sha256 = text("features", "weights_sha256");
  m.transform = text("features", "transform");
  m.tiles_crc32c = text("features", "tiles_crc32c");
  return m;
}

SlideFeatures read_h5_features(const std::string& path, NonFinite non_finite) {
  const h5::File file = h5::File::open(path);
  EOSIN_CHECK(file.has("features"), Data, "[{}] holds no features", path);
  SlideFile slide = read_slide_file(file, non_finite);
  SlideFeatures out;
  out.meta = read_meta(file);
  out.features_ND = slide.tensors.at("features");
  const int64_t n = out.features_ND.size(0);
  out.coords_N2 = slide.tensors.count("coords") ? slide.tensors.at("coords").to(at::kLong) : at::zeros({n, 2}, at::kLong);
  if (file.has("ids")) {
    out.ids = file.read_text("ids");
    check_crc(file, "ids", crc32c(join(out.ids)));
    EOSIN_CHECK(static_cast<int64_t>(out.ids.size()) == n, Data, "[{}] ids has {} rows, features has {}", path, out.ids.size(), n);
  }
  return out;
}

void drop_non_finite(SlideFeatures& slide) {
  const Tensor kept = at::isfinite(slide.features_ND).all(1).nonzero().squeeze(1);
  slide.dropped_rows = slide.features_ND.size(0) - kept.numel();
  if (slide.dropped_rows == 0) return;
  slide.features_ND = slide.features_ND.index_select(0, kept);
  slide.coords_N2 = slide.coords_N2.index_select(0, kept);
  if (slide.ids.empty()) return;
  std::vector<std::string> ids;
  for (int64_t i = 0; i < kept.numel(); ++i) ids.push_back(std::move(slide.ids[static_cast<size_t>(kept[i].item<int64_t>())]));
  slide.ids = std::move(ids);
}

void write_tensor(h5::File& file, const std::string& dataset, const Tensor& t) {
  const auto n = static_cast<uint64_t>(t.size(0)), d = static_cast<uint64_t>(t.size(1));
  h5::Layout layout;
  layout.chunk = {kChunkRows, std::max<uint64_t>(d, 1)};
  layout.extendible = true;
  file.create_dataset(dataset, file_type(t), {n, d}, layout);
  if (t.numel() > 0) file.write_rows(dataset, file_type(t), t.const_data_ptr(), t.nbytes(), 0, n);
  file.set_attribute(dataset, "crc32c", crc32c(bytes_of(t)));
}

void write_ids(h5::File& file, const std::vector<std::string>& ids) {
  h5::Layout layout;
  layout.text_bytes = 1;
  for (const auto& id : ids) layout.text_bytes = std::max(layout.text_bytes, id.size());
  file.write_text("ids", ids, layout);
  file.set_attribute("ids", "crc32c", crc32c(join(ids)));
}

void write_text_attribute(h5::File& file, const char* object, const char* name, const std::string& value) {
  file.set_text(object, name, value, true);
}

void write_meta(h5::File& file, const FeatureMeta& m) {
  write_text_attribute(file, "features", "name", m.name);
  write_text_attribute(file, "features", "savetodir", m.savetodir);
  write_text_attribute(file, "features", "encoder", m.encoder.empty() ? "None" : m.encoder);
  file.set_attribute("features", "mpp", m.mpp);
  write_text_attribute(file, "features", "weights_sha256", m.weights_sha256);
  write_text_attribute(file, "features", "transform", m.transform);
  write_text_attribute(file, "features", "tiles_crc32c", m.tiles_crc32c);
  write_text_attribute(file, "features", "eosin_version", version());
  write_text_attribute(file, "coords", "name", m.name);
  write_text_attribute(file, "coords", "savetodir", m.savetodir);
  file.set_attribute("coords", "patch_size", m.patch_size);
  file.set_attribute("coords", "patch_size_level0", m.patch_size_level0);
  file.set_attribute("coords", "level0_magnification", m.level0_magnification);
  file.set_attribute("coords", "target_magnification", m.target_magnification);
  file.set_attribute("coords", "overlap", m.overlap);
  file.set_attribute("coords", "level0_width", m.level0_width);
  file.set_attribute("coords", "level0_height", m.level0_height);
}

}  // namespace

SlideFile read_slide_file(const std::string& path) {
  return is_pt(path) ? read_pt(path, NonFinite::Refuse) : read_slide_file(h5::File::open(path), NonFinite::Refuse);
}

FeatureMeta feature_meta(const TileStore& store, size_t slide) {
  const SlideRow& row = store.slides().at(slide);
  const TileFormat& format = store.format();
  FeatureMeta m;
  m.name = row.id;
  m.patch_size = format.tile_width;
  m.overlap = format.overlap;
  m.level0_width = row.width;
  m.level0_height = row.height;
  m.mpp = format.target_mpp;
  m.target_magnification = magnification_of(format.target_mpp);
  m.level0_magnification = row.magnification > 0 ? std::lround(row.magnification) : magnification_of((row.mpp_x + row.mpp_y) / 2);
  if (row.count > 0) {
    const TileRow tile = store.tile(row.first);
    if (tile.slide == slide) m.patch_size_level0 = tile.level0_size;  // not so in a shuffled store
  }
  return m;
}

SlideFeatures read_features(const std::string& path, NonFinite non_finite) {
  SlideFeatures out = is_pt(path) ? read_pt_features(path, non_finite) : read_h5_features(path, non_finite);
  if (non_finite == NonFinite::DropRow) drop_non_finite(out);
  return out;
}

void write_features(const std::string& path, const SlideFeatures& features) {
  const Tensor f = features.features_ND.detach().cpu().contiguous(), c = features.coords_N2.cpu().to(at::kLong).contiguous();
  EOSIN_CHECK(f.dim() == 2 && (f.scalar_type() == at::kHalf || f.scalar_type() == at::kFloat), Shape,
              "[{}] features must be [N, D] of float16 or float32 (got [{}] of {})", path, fmt::join(f.sizes().vec(), ", "),
              c10::toString(f.scalar_type()));
  EOSIN_CHECK(c.dim() == 2 && c.size(1) == 2 && c.size(0) == f.size(0), Shape, "[{}] coords must be [{}, 2] (got [{}])", path, f.size(0),
              fmt::join(c.sizes().vec(), ", "));
  EOSIN_CHECK(features.ids.empty() || static_cast<int64_t>(features.ids.size()) == f.size(0), Shape, "[{}] {} ids for {} rows", path,
              features.ids.size(), f.size(0));
  const int64_t bad = count_non_finite(f);
  EOSIN_CHECK(bad == 0, Numeric, "[{}] {} of {} feature values are not finite", path, bad, f.numel());
  write_beside(path, [&](const std::string& temporary) {
    h5::File file = h5::File::create(temporary);
    write_tensor(file, "features", f);
    write_tensor(file, "coords", c);
    if (!features.ids.empty()) write_ids(file, features.ids);
    write_meta(file, features.meta);
    file.close();
  });
}

std::vector<std::string> list_features(const std::string& path) {
  EOSIN_CHECK(fs::exists(path), Io, "[{}] does not exist", path);
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const char* ending : {".h5", ".pt"}) {
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ending) files.push_back(entry.path().string());
    if (!files.empty()) break;
  }
  EOSIN_CHECK(!files.empty(), Data, "[{}] holds no features files (*.h5, *.pt)", path);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace eosin::data
