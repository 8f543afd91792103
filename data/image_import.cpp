#include "data/image_import.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/sha256.h"
#include "data/idx.h"
#include "data/image_table.h"
#include "data/jpeg.h"
#include "data/picture.h"
#include "data/resize.h"
#include "data/tile_store_writer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

std::span<const uint8_t> span_of(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

/// Turns pictures into records of the store's size and codec.
class RecordMaker {
 public:
  RecordMaker(const ImportConfig& config, const TileFormat& format, ImportResult& counts) : config_(config), format_(format), counts_(counts) {}

  /// A picture file: copied where that loses nothing. It is decoded in any case, so that no damaged one gets into the store.
  const std::vector<uint8_t>& from_file(std::span<const uint8_t> bytes, const std::string& where) {
    const Image image = decode_picture(bytes, where);
    const bool fits = image.height == format_.tile_height && image.width == format_.tile_width;
    if (!fits || format_.codec != Codec::kJpeg || !is_jpeg(bytes) || !read_jpeg_info(bytes).baseline) return from_picture(image, where);
    ++counts_.copied;
    record_.assign(bytes.begin(), bytes.end());
    return record_;
  }

  const std::vector<uint8_t>& from_picture(const Image& image, const std::string& where) {
    const bool fits = image.height == format_.tile_height && image.width == format_.tile_width;
    EOSIN_CHECK(fits || config_.resize, Data, "[{}] is {} x {} pixels, the store's tiles are {} x {}; set resize: true, or tile_size_px", where,
                image.width, image.height, format_.tile_width, format_.tile_height);
    if (fits) return encode(image);
    ++counts_.resized;
    return encode(resize(image, format_.tile_height, format_.tile_width, Filter::kBicubic));
  }

 private:
  const std::vector<uint8_t>& encode(const Image& image) {
    ++counts_.encoded;
    if (format_.codec == Codec::kRaw)
      record_ = image.rgb;
    else
      encode_jpeg(image, static_cast<int>(config_.encoding.quality), subsampling_from(config_.encoding.subsampling), record_);
    return record_;
  }

  const ImportConfig& config_;
  const TileFormat& format_;
  ImportResult& counts_;
  std::vector<uint8_t> record_;
};

/// What decides the store's content: a begun import with another is refused.
std::string identity_of(const ImportConfig& config, const std::string& path) {
  ImportConfig copy = config;
  copy.out.clear();
  const std::string content = fs::is_directory(path) ? fs::absolute(path).string() : sha256_file(path);
  return sha256(config::to_yaml(config::visit_of(copy)) + content);
}

StoreSettings settings_of(const ImportConfig& config, const std::string& path, Codec automatic, int64_t height, int64_t width, double mpp) {
  StoreSettings s;
  s.codec = config.encoding.codec == "auto" ? automatic : config.encoding.codec == "raw" ? Codec::kRaw : Codec::kJpeg;
  s.tile_height = static_cast<uint32_t>(config.tile_size_px > 0 ? config.tile_size_px : height);
  s.tile_width = static_cast<uint32_t>(config.tile_size_px > 0 ? config.tile_size_px : width);
  s.jpeg_subsampling = s.codec == Codec::kJpeg ? "mixed" : config.encoding.subsampling;  // copied streams have their own
  s.target_mpp = mpp;
  s.max_shard_bytes = static_cast<uint64_t>(config.shard_mib) << 20;
  s.identity = identity_of(config, path);
  return s;
}

/// A place of its own for the k-th tile of a slide without coordinates: side by side in one row.
TileRow place(size_t k, const std::optional<int64_t>& x, const std::optional<int64_t>& y, const TileFormat& format, const std::string& where) {
  TileRow tile;
  const int64_t along = x.value_or(static_cast<int64_t>(k) * format.tile_width);
  EOSIN_CHECK(std::in_range<int32_t>(along), Data, "[{}] too many tiles without coordinates in one slide", where);
  tile.x = static_cast<int32_t>(along);
  tile.y = static_cast<int32_t>(y.value_or(0));
  tile.level0_size = format.tile_width;
  tile.tissue = 255;
  return tile;
}

void import_slide(TileStoreWriter& writer, std::span<const ImageEntry> entries, const std::vector<std::string>& columns, const TileFormat& format,
                  RecordMaker& maker, const std::function<void()>& one_done) {
  SlidePart part = writer.begin(entries[0].slide);
  part.restart();
  TextColumns texts;
  try {
    for (size_t k = 0; k < entries.size(); ++k) {
      const ImageEntry& e = entries[k];
      const std::string bytes = read_file(e.file);
      part.append(place(k, e.x, e.y, format, e.where), maker.from_file(span_of(bytes), e.where == e.file ? e.file : e.where + ": " + e.file));
      for (const auto& column : columns) texts[column].push_back(column_value(e, column));
      one_done();
    }
  } catch (const Error&) {
    part.abandon();  // what mends the error may be other settings
    throw;
  }
  SlideRow row;
  row.id = entries[0].slide;
  row.patient = entries[0].patient;
  row.mpp_x = row.mpp_y = entries[0].mpp;
  writer.finish(std::move(part), row, texts);
}

ImportResult import_table(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  const ImageTable table = read_image_table(path, config);
  const auto& entries = table.entries;
  const std::string first = read_file(entries[0].file);
  const Image picture = decode_picture(span_of(first), entries[0].where + ": " + entries[0].file);
  const bool one_mpp = std::all_of(entries.begin(), entries.end(), [&](const ImageEntry& e) { return e.mpp == entries[0].mpp; });
  const StoreSettings settings = settings_of(config, path, Codec::kJpeg, picture.height, picture.width, one_mpp ? entries[0].mpp : config.mpp);

  std::vector<std::string> slides;
  for (const auto& e : entries)
    if (slides.empty() || slides.back() != e.slide) slides.push_back(e.slide);
  ImportResult result;
  result.tiles = static_cast<int64_t>(entries.size());
  result.slides = static_cast<int64_t>(slides.size());
  RecordMaker maker(config, settings, result);
  TileStoreWriter writer(config.out, settings, slides);
  int64_t done = 0;
  for (auto at = entries.begin(); at != entries.end();) {
    const auto end = std::find_if(at, entries.end(), [&](const ImageEntry& e) { return e.slide != at->slide; });
    if (writer.is_complete(at->slide))
      done += end - at;
    else
      import_slide(writer, {at, end}, table.columns, settings, maker, [&] {
        if (progress) progress(++done, result.tiles);
      });
    at = end;
  }
  result.shards = writer.close();
  return result;
}

/// Picture i of an IDX array [N, H, W] (grey) or [N, H, W, 3].
Image idx_picture(const Tensor& pictures, int64_t i) {
  Image image(pictures.size(1), pictures.size(2));
  const int64_t channels = pictures.dim() == 4 ? 3 : 1;
  const uint8_t* from = pictures.const_data_ptr<uint8_t>() + i * image.height * image.width * channels;
  for (size_t k = 0; k < image.rgb.size(); ++k) image.rgb[k] = channels == 3 ? from[k] : from[k / 3];
  return image;
}

ImportResult import_idx(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  const Tensor pictures = read_idx(path, uint64_t{8} << 30);
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
  const StoreSettings settings = settings_of(config, path, Codec::kRaw, pictures.size(1), pictures.size(2), config.mpp);
  const std::string slide = fs::path(path).filename().string();
  ImportResult result;
  result.tiles = n, result.slides = 1;
  RecordMaker maker(config, settings, result);
  TileStoreWriter writer(config.out, settings, {slide});
  if (!writer.is_complete(slide)) {
    SlidePart part = writer.begin(slide);
    part.restart();
    TextColumns texts;
    for (int64_t i = 0; i < n; ++i) {
      part.append(place(static_cast<size_t>(i), {}, {}, settings, path), maker.from_picture(idx_picture(pictures, i), path));
      texts["id"].push_back(std::to_string(i));
      if (labels.defined()) texts["class"].push_back(std::to_string(labels[i].item<int64_t>()));
      if (progress) progress(i + 1, n);
    }
    SlideRow row;
    row.id = slide;
    row.mpp_x = row.mpp_y = config.mpp;
    writer.finish(std::move(part), row, texts);
  }
  result.shards = writer.close();
  return result;
}

}  // namespace

void ImportConfig::validate(config::Problems& p) const {
  if (out.empty()) p.add("out", "need the folder of the new store");
}

ImportResult import_images(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  EOSIN_CHECK(fs::exists(path), Io, "[{}] does not exist", path);
  const bool table = fs::is_directory(path) || fs::path(path).extension() == ".csv";
  return table ? import_table(path, config, progress) : import_idx(path, config, progress);
}

}  // namespace eosin::data
