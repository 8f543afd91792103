#include "tests/golden/runner.h"

#include "core/base/crc32c.h"
#include "data/feature_store.h"
#include "data/jpeg.h"
#include "data/shard.h"
#include "data/store_merge.h"
#include "data/store_verify.h"
#include "data/tile_store.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace eosin::golden {
namespace {

std::span<const uint8_t> span_of(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

Tensor bytes_tensor(std::span<const uint8_t> bytes) {
  return at::from_blob(const_cast<uint8_t*>(bytes.data()), {static_cast<int64_t>(bytes.size())}, at::kByte).clone();
}

Tensor picture(const data::Image& image) { return bytes_tensor(image.rgb).view({image.height, image.width, 3}); }

data::Image decoded(std::span<const uint8_t> bytes, const nlohmann::json& config) {
  data::JpegLimits limits;
  limits.max_pixels = config.value("max_pixels", limits.max_pixels);
  data::Image image;
  data::decode_jpeg(bytes, image, limits);
  return image;
}

Results jpeg(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  if (!c.has("in.tables")) return {{"out.rgb", picture(decoded(span_of(bytes), c.config))}};
  const std::string tables = c.bytes("in.tables");
  const auto merged = data::merge_jpeg_tables(span_of(tables), span_of(bytes), c.config.value("photometric", 6) == 2);
  return {{"out.rgb", picture(decoded(merged, c.config))}};
}

Results jpeg_encode(const Case& c) {
  const Tensor rgb = c.at("in.rgb").contiguous();
  std::vector<uint8_t> stream;
  data::encode_jpeg({rgb.const_data_ptr<uint8_t>(), rgb.size(0), rgb.size(1), rgb.size(1) * 3}, c.config["quality"],
                    data::subsampling_from(c.config["subsampling"]), stream);
  return {{"out.decoded", picture(decoded(stream, c.config)).to(at::kFloat)}};
}

/// One value a row, as int64.
template <class Row, class Field>
Tensor integers(const std::vector<Row>& rows, Field Row::*field) {
  std::vector<int64_t> values;
  for (const Row& row : rows) values.push_back(static_cast<int64_t>(row.*field));
  return at::tensor(values, at::kLong);
}

std::vector<data::TileRow> tiles_of(const data::Shard& shard) {
  std::vector<data::TileRow> tiles;
  for (uint64_t i = 0; i < shard.n_tiles(); ++i) tiles.push_back(shard.tile(i));
  return tiles;
}

/// The index as tensors.
Results index_of(const data::Shard& shard) {
  using data::SlideRow, data::TileRow;
  const auto tiles = tiles_of(shard);
  return {{"out.n_tiles", scalar_i64(static_cast<int64_t>(shard.n_tiles()))},
          {"out.coords", at::stack({integers(tiles, &TileRow::x), integers(tiles, &TileRow::y)}, 1)},
          {"out.slide", integers(tiles, &TileRow::slide)},
          {"out.level0_size", integers(tiles, &TileRow::level0_size)},
          {"out.tissue", integers(tiles, &TileRow::tissue)},
          {"out.qc", integers(tiles, &TileRow::qc)},
          {"out.crc32c", integers(tiles, &TileRow::crc32c)},
          {"out.slide_first", integers(shard.slides(), &SlideRow::first)},
          {"out.slide_count", integers(shard.slides(), &SlideRow::count)}};
}

Results store_read(const Case& c) {
  const data::Shard shard(c.file(c.config.at("file")));
  Results out = index_of(shard);
  std::vector<double> mpp;
  for (const auto& s : shard.slides()) mpp.insert(mpp.end(), {s.mpp_x, s.mpp_y});
  out["out.slide_mpp"] = at::tensor(mpp, at::kDouble).view({-1, 2});
  if (!shard.slides().empty()) out["out.slide_id_0"] = bytes_tensor(span_of(shard.slides()[0].id));
  std::vector<uint8_t> buffer;
  data::Image image;
  for (const uint64_t i : c.config["tiles"].get<std::vector<uint64_t>>()) {
    out[fmt::format("out.tile_{}", i)] = bytes_tensor(shard.read(i, buffer));
    shard.read_image(i, buffer, image);
    out[fmt::format("out.rgb_{}", i)] = picture(image);
  }
  return out;
}

Results store_verify(const Case& c) {
  const data::TileStore store(c.file(c.config.at("file")));
  return {{"out.n_tiles", scalar_i64(static_cast<int64_t>(store.n_tiles()))},
          {"out.bad_tiles", integers(data::verify_store(store, false), &data::DamagedTile::index)}};
}

Results store_merge(const Case& c) {
  std::vector<std::string> files;
  for (const auto& file : c.config["files"]) files.push_back(c.file(file));
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("eosin-golden-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const std::unique_ptr<const std::filesystem::path, void (*)(const std::filesystem::path*)> remover(
      &folder, [](auto* f) { std::filesystem::remove_all(*f); });
  data::merge_shards(files, (folder / "merged.h5").string());

  const data::Shard shard((folder / "merged.h5").string());
  Results out = index_of(shard);
  std::vector<int64_t> offsets;
  for (uint64_t i = 0; i <= shard.n_tiles(); ++i) offsets.push_back(static_cast<int64_t>(shard.offset(i)));
  std::string ids;
  for (const auto& s : shard.slides()) ids += (ids.empty() ? "" : "\n") + s.id;
  uint32_t crc = 0;
  std::vector<uint8_t> buffer;
  for (uint64_t i = 0; i < shard.n_tiles(); ++i) crc = crc32c(shard.read(i, buffer), crc);
  out["out.offsets"] = at::tensor(offsets, at::kLong);
  out["out.slide_ids"] = bytes_tensor(span_of(ids));
  out["out.payload_crc32c"] = scalar_i64(crc);
  out["out.ordered"] = scalar_i64(shard.header().ordered_by_slide);
  return out;
}

Tensor tensor_of(const h5::Attribute& attribute) {
  if (const auto* u = std::get_if<std::vector<uint64_t>>(&attribute.values)) return at::tensor(std::vector<int64_t>(u->begin(), u->end()), at::kLong);
  if (const auto* i = std::get_if<std::vector<int64_t>>(&attribute.values)) return at::tensor(*i, at::kLong);
  if (const auto* f = std::get_if<std::vector<double>>(&attribute.values)) return at::tensor(*f, at::kDouble);
  return bytes_tensor(span_of(std::get<std::vector<std::string>>(attribute.values).at(0)));
}

/// Coordinates and features files of TRIDENT and CLAM.
Results slide_file(const Case& c) {
  const data::SlideFile slide = data::read_slide_file(c.file(c.config.at("file")));
  Results out;
  for (const auto& [name, t] : slide.tensors) out["out." + name] = t;
  for (const auto& [dataset, attributes] : slide.attributes)
    for (const auto& [name, value] : attributes) out["out.attr." + dataset + "." + name] = tensor_of(value);
  return out;
}

}  // namespace

std::vector<Row> data_store_rows() {
  return {
      {"data.jpeg", jpeg},
      {"data.jpeg_encode", jpeg_encode},
      {"data.store_read", store_read},
      {"data.store_verify", store_verify},
      {"data.store_merge", store_merge},
      {"data.trident_h5", slide_file},
      {"data.clam_h5", slide_file},
  };
}

}  // namespace eosin::golden
