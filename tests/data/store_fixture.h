#pragma once
// Small stores for tests: pictures are made of numbers, so that every test knows what must come back.
#include "data/jpeg.h"
#include "data/tile_store.h"
#include "data/tile_store_writer.h"
#include "tests/temporary_folder.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace eosin::data {

constexpr uint32_t kTestHeight = 19, kTestWidth = 23;

/// A smooth picture that differs for every (slide, tile).
inline Image test_picture(size_t slide, size_t tile, int64_t height = kTestHeight, int64_t width = kTestWidth) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* p = image.row(y) + 3 * x;
      p[0] = static_cast<uint8_t>(40 + 7 * x + 31 * slide);
      p[1] = static_cast<uint8_t>(20 + 9 * y + 13 * tile);
      p[2] = static_cast<uint8_t>(90 + 3 * x + 2 * y + tile);
    }
  return image;
}

inline std::vector<uint8_t> test_record(size_t slide, size_t tile, Codec codec) {
  const Image image = test_picture(slide, tile);
  std::vector<uint8_t> record = image.rgb;
  if (codec == Codec::kJpeg) encode_jpeg(image, 90, Subsampling::k420, record);
  return record;
}

inline TileRow test_tile(size_t slide, size_t tile) {
  TileRow row;
  row.x = static_cast<int32_t>(tile * 46);
  row.y = static_cast<int32_t>(slide * 38);
  row.level0_size = 46;
  row.tissue = static_cast<uint8_t>(100 + tile);
  row.qc = kQcBlurred;
  return row;
}

inline SlideRow test_slide(const std::string& id) {
  SlideRow row;
  row.id = id;
  row.path = "/slides/" + id + ".svs";
  row.vendor = "aperio";
  row.patient = "patient of " + id;
  row.mpp_x = row.mpp_y = 0.25;
  row.width = 1009, row.height = 907;
  return row;
}

inline StoreSettings test_settings(Codec codec = Codec::kJpeg) {
  StoreSettings settings;
  settings.codec = codec;
  settings.tile_height = kTestHeight;
  settings.tile_width = kTestWidth;
  settings.jpeg_quality = codec == Codec::kJpeg ? 90 : 0;
  settings.target_mpp = 0.5;
  settings.identity = "test";
  return settings;
}

/// Tiles one slide into the writer: what `tile` does, without slides.
inline void write_slide(TileStoreWriter& writer, const std::string& id, size_t slide, size_t n_tiles, Codec codec) {
  SlidePart part = writer.begin(id);
  TextColumns columns;
  for (size_t t = part.n_tiles(); t < n_tiles; ++t) part.append(test_tile(slide, t), test_record(slide, t, codec));
  for (size_t t = 0; t < n_tiles; ++t) columns["class"].push_back("class of " + id + " " + std::to_string(t));
  writer.finish(std::move(part), test_slide(id), columns);
}

/// A store of slides A, B, ... with the given numbers of tiles.
inline std::vector<std::string> write_store(const std::string& folder, const std::vector<size_t>& n_tiles, StoreSettings settings = test_settings()) {
  std::vector<std::string> ids;
  for (size_t s = 0; s < n_tiles.size(); ++s) ids.push_back(std::string(1, static_cast<char>('A' + s)));
  TileStoreWriter writer(folder, settings, ids);
  for (size_t s = 0; s < ids.size(); ++s)
    if (!writer.is_complete(ids[s])) write_slide(writer, ids[s], s, n_tiles[s], settings.codec);
  return writer.close();
}

inline std::vector<uint8_t> bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace eosin::data
