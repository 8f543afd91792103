#pragma once
// Tiles to features: every tile of a store through an extractor, one file a slide; or some tiles in memory for a probe.
#include "core/base/run_folder.h"
#include "eval/extractor.h"

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eosin::eval {

struct ExtractionOptions {
  int64_t batch_size = 64;
  int64_t threads = 1;
  std::string dtype = "float32";  // of the files: float32 or float16
  double max_bad_fraction = 0.001;
  c10::Device device = c10::kCPU;
  at::ScalarType compute = at::kFloat;            // bf16 or half: autocast
  std::shared_ptr<const data::StoreStain> stain;  // null: tiles keep their colours
};

/// Row i is tile indices[i]; tiles that cannot be read are left out.
struct TileFeatures {
  Tensor features_ND;
  std::vector<int64_t> indices;
  std::vector<data::UnreadTile> unread;
  bool stopped = false;  // a stop was asked for: the rows are not all
};

/// Embeds given tiles, in order. `done` is called with the tiles of each batch.
///
/// Errors   Data when more than max_bad_fraction of the tiles are bad. Numeric if a feature is not finite (names the tile).
TileFeatures embed_tiles(std::shared_ptr<const data::TileStore> store, std::vector<int64_t> indices, const Extractor& extractor,
                         const ExtractionOptions& options, const std::function<void(int64_t)>& done = {});

struct ExtractionResult {
  int64_t slides = 0, slides_skipped = 0, slides_failed = 0;
  int64_t tiles = 0, tiles_unread = 0;  // of this call
  bool stopped = false;
};

/// Writes <out>/<slide>.h5 for every slide with tiles, or <out>/features.h5 with ids for a store of pictures. A file that is there,
/// whole, and of the same tiles, encoder and transform is kept. A slide that fails is given to `failed` and the others go on.
///
/// Errors   Config if a file is of another encoder or transform, or two slides would share a file name. Io.
/// Checked  tests/eval/test_features.cpp.
ExtractionResult extract_features(std::shared_ptr<const data::TileStore> store, const Extractor& extractor, const std::string& out,
                                  const ExtractionOptions& options, const std::function<void(int64_t tiles)>& done,
                                  const std::function<void(const Failure&)>& failed);

}  // namespace eosin::eval
