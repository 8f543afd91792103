#pragma once
// Tiles of a store as picture files and a table, or as WebDataset tars, for programs that read those.
#include "data/tile_store.h"

#include <cstdint>
#include <functional>
#include <string>

namespace eosin::data {

enum class PictureFormat { kJpeg, kPng };

/// Writes one picture a tile and tiles.csv (file, slide, patient, x, y, level0_size, mpp, tissue, qc, and the store's own columns) into a
/// new or empty folder; import_images() reads it back. JPEG records are copied as they are; raw ones are encoded with quality 95, 4:4:4.
/// The table comes last: without it the export is not complete.
///
/// Errors   Config if the folder holds something; Data naming the tile if a record is damaged; Io.
/// Checked  tests/data/test_image_import.cpp: there and back again.
void export_tiles(const TileStore& store, const std::string& folder, PictureFormat format, const std::function<void(int64_t)>& progress = nullptr);

/// How an export is cut into tars; one is closed by the tile that reaches either.
struct TarShards {
  int64_t tiles = 10'000;
  int64_t bytes = int64_t{1} << 30;
};

/// Writes `shard-00000.tar`...: of tile i the members `<i, nine digits>.jpg` (`.png` for format kPng) and `.json`, an object of what tiles.csv
/// would say. Every tar is complete or absent, and the same store gives the same bytes. Returns the number of tars.
/// Errors   as export_tiles().
/// Checked  tests/data/test_webdataset.cpp: there and back again; tests/python/interchange.py with the package webdataset.
int64_t export_webdataset(const TileStore& store, const std::string& folder, PictureFormat format, const TarShards& shards,
                          const std::function<void(int64_t)>& progress = nullptr);

}  // namespace eosin::data
