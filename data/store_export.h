#pragma once
// Tiles of a store as picture files and a table, for programs that read folders.
#include "data/tile_store.h"

#include <cstdint>
#include <functional>
#include <string>

namespace eosin::data {

enum class PictureFormat { kJpeg, kPng };

/// Writes one picture a tile and tiles.csv (file, slide, patient, x, y, level0_size, mpp, tissue, qc, and the store's own columns) into a
/// new or empty folder; import_images() reads it back. JPEG records are copied as they are; raw ones are encoded with quality 95, 4:4:4.
///
/// Errors   Config if the folder holds something; Data naming the tile if a record is damaged; Io.
/// Checked  tests/data/test_image_import.cpp: there and back again.
void export_tiles(const TileStore& store, const std::string& folder, PictureFormat format, const std::function<void(int64_t)>& progress = nullptr);

}  // namespace eosin::data
