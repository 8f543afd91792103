#include "data/store_export.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/png.h"
#include "data/tar_file.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kPerFolder = 10'000;

void begin_folder(const std::string& folder) {
  fs::create_directories(folder);
  EOSIN_CHECK(fs::is_empty(folder), Config, "[{}] is not empty; export into a new folder", folder);
}

const char* extension(PictureFormat format) { return format == PictureFormat::kPng ? "png" : "jpg"; }

/// "00012/00123456.jpg": file systems dislike millions of files in one folder.
std::string file_name(uint64_t index, PictureFormat format) { return fmt::format("{:05}/{:08}.{}", index / kPerFolder, index, extension(format)); }

/// The tile's own scale, which is the store's where that is only rounded to whole level-0 pixels. 0: unknown.
double mpp_of(const TileRow& tile, const SlideRow& slide, const TileFormat& format) {
  const double level0 = (slide.mpp_x + slide.mpp_y) / 2, width = format.tile_width;
  if (level0 <= 0) return format.target_mpp;
  const bool is_target = format.target_mpp > 0 && std::abs(format.target_mpp * width / level0 - tile.level0_size) <= 1;
  return is_target ? format.target_mpp : tile.level0_size * level0 / width;
}

/// Reads a store's tiles in order as pictures of one format, with what is known of each.
class TileExport {
 public:
  TileExport(const TileStore& store, PictureFormat format) : store_(store), format_(format) {
    for (const auto& name : store.columns())
      if (name != "patient") columns_.emplace_back(name, store.column(name));  // the slide table's
  }

  /// The bytes of tile `index` as a picture file; they stay valid until the next call.
  std::span<const uint8_t> picture(uint64_t index) {
    if (format_ == PictureFormat::kJpeg && store_.format().codec == Codec::kJpeg) return store_.read(index, buffer_);
    store_.read_image(index, buffer_, image_);
    if (format_ == PictureFormat::kPng)
      encoded_ = encode_png(image_);
    else
      encode_jpeg(image_, 95, Subsampling::k444, encoded_);
    return encoded_;
  }

  Json facts(uint64_t index) const {
    const TileRow tile = store_.tile(index);
    const SlideRow& slide = store_.slides()[tile.slide];
    Json facts = {{"slide", slide.id}, {"patient", slide.patient}, {"x", tile.x}, {"y", tile.y}, {"level0_size", tile.level0_size}};
    facts["mpp"] = mpp_of(tile, slide, store_.format());
    facts["tissue"] = std::round(tile.tissue / 255.0 * 1e4) / 1e4;
    facts["qc"] = tile.qc;
    for (const auto& [name, texts] : columns_) facts[name] = texts[index];
    return facts;
  }

 private:
  const TileStore& store_;
  const PictureFormat format_;
  std::vector<std::pair<std::string, std::vector<std::string>>> columns_;
  std::vector<uint8_t> buffer_, encoded_;
  Image image_;
};

/// The table's header (from the names) or a row (from the values).
std::string table_line(const std::string& first, const Json& facts, bool header) {
  std::vector<std::string> cells = {first};
  for (const auto& [name, value] : facts.items()) cells.push_back(header ? name : value.is_string() ? value.get<std::string>() : value.dump());
  return csv_line(cells);
}

std::string_view text_of(std::span<const uint8_t> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

void export_tiles(const TileStore& store, const std::string& folder, PictureFormat format, const std::function<void(int64_t)>& progress) {
  begin_folder(folder);
  TileExport tiles(store, format);
  std::string table;
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const std::string name = file_name(i, format);
    if (i % kPerFolder == 0) fs::create_directories((fs::path(folder) / name).parent_path());
    write_file((fs::path(folder) / name).string(), tiles.picture(i));
    const Json facts = tiles.facts(i);
    if (i == 0) table = table_line("file", facts, true);
    table += table_line(name, facts, false);
    if (progress) progress(static_cast<int64_t>(i + 1));
  }
  write_file((fs::path(folder) / "tiles.csv").string(), table);
}

int64_t export_webdataset(const TileStore& store, const std::string& folder, PictureFormat format, const TarShards& shards,
                          const std::function<void(int64_t)>& progress) {
  begin_folder(folder);
  TileExport tiles(store, format);
  int64_t tars = 0;
  for (uint64_t i = 0; i < store.n_tiles();) {
    TarWriter tar((fs::path(folder) / fmt::format("shard-{:05}.tar", tars)).string());
    const uint64_t end = std::min(store.n_tiles(), i + static_cast<uint64_t>(shards.tiles));
    for (; i < end && tar.bytes() < static_cast<uint64_t>(shards.bytes); ++i) {
      const std::string key = fmt::format("{:09}", i);
      tar.add(key + "." + extension(format), text_of(tiles.picture(i)));
      tar.add(key + ".json", tiles.facts(i).dump());
      if (progress) progress(static_cast<int64_t>(i + 1));
    }
    tar.commit();
    ++tars;
  }
  return tars;
}

}  // namespace eosin::data
