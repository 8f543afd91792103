#pragma once
// Coordinates of TRIDENT or CLAM and the slides that they were made on, into a tile store: the tiles are cut again.
#include "data/image_import.h"

#include <cstdint>
#include <functional>
#include <string>

namespace eosin::data {

/// Cuts the tiles of every file of coordinates of `path` from the slide of that name among `config.slides`, as `eosin tile` does: pipeline,
/// resume, slides.jsonl, failures.jsonl, QC pictures. The tile's size is `config.tile_size_px`, else the first file's patch_size; its scale is
/// `config.mpp`, else what the first file and slide make it. A file of CLAM is read as CLAM reads it, patch_size pixels of patch_level; one of
/// TRIDENT from the level that serves its level-0 edge.
///
/// A slide fails, with its reason, if it is missing or unreadable, or its file: missing, damaged, without the attributes, for a slide of another
/// size, with tiles outside the slide or twice, of another patch_size (unless `config.resize`). Errors   Config: no slides; Data: too many failed;
/// Io. Checked  tests/data/test_slide_coords.cpp.
ImportResult import_coords(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress = nullptr);

/// As measure_import(), from the slides' headers and the files of coordinates.
ImportAmounts measure_coords(const std::string& path, const ImportConfig& config);

}  // namespace eosin::data
