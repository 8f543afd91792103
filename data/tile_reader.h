#pragma once
// Every tile once, as an encoder is given it: for features and probes.
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "data/batch.h"
#include "data/slot_pipeline.h"
#include "data/stall_watch.h"
#include "data/store_stain.h"
#include "data/tile_store.h"
#include "data/tone.h"

namespace eosin::data {

/// Shorter side to resize_px, central square of crop_px, normalised: the evaluation transform of torchvision and timm.
struct EvalViewConfig {
  int64_t resize_px = 256, crop_px = 224;
  std::string filter = "bicubic";
  bool grayscale = false;    // Pillow's, after the resize: what an encoder knows without colour
  int64_t jpeg_quality = 0;  // the tile is stored as a JPEG (4:2:0) of this quality first; 0: it is not
  double zoom = 1;           // then its central 1 / zoom alone is shown, as at another magnification
  std::vector<double> mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225};

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// The transform in u8 arithmetic, as Pillow does it; out is [3, crop_px, crop_px].
/// Checked  tests/data/test_loader.cpp.
void eval_view(ImageView tile, const EvalViewConfig& config, Planes out);

/// `indices[i]` is the store's index of row i.
struct EvalBatch {
  Tensor images_BCHW;
  std::vector<int64_t> indices;
  std::vector<SampleId> ids;
};

/// A tile that was left out, and why.
struct UnreadTile {
  int64_t index = 0;
  SampleId id;
  std::string reason;
};

/// Reads given tiles in order, by threads; batches are whole but the last. A tile that cannot be read is left out, logged and listed.
///
/// Errors   Data from next() when more than max_bad_fraction of the tiles are bad.
/// Checked  tests/data/test_loader.cpp: every tile once for worlds 1, 2, 3; threads 1 and 8.
class TileReader {
 public:
  TileReader(std::shared_ptr<const TileStore> store, const EvalViewConfig& view, std::vector<int64_t> indices, int64_t batch, int64_t threads,
             double max_bad_fraction = 0.001, std::shared_ptr<const StoreStain> stain = nullptr);
  ~TileReader();

  /// The next batch; none after the last. A batch whose tiles are all bad is skipped.
  std::optional<EvalBatch> next();
  const std::vector<UnreadTile>& unread() const { return unread_; }

 private:
  struct Pending;
  void open_next();
  void announce(int64_t first, int64_t size);
  void fill(int64_t batch, int64_t slot);
  EvalBatch finish(Pending& pending);

  const std::shared_ptr<const TileStore> store_;
  const EvalViewConfig view_;
  const std::vector<int64_t> indices_;
  const int64_t batch_;
  const double max_bad_fraction_;
  const std::shared_ptr<const StoreStain> stain_;  // null: tiles keep their colours
  int64_t opened_ = 0;                             // tiles
  int64_t closed_ = 0;                             // batches
  std::deque<std::unique_ptr<Pending>> pending_;
  std::mutex pending_mutex_;
  std::vector<UnreadTile> unread_;
  StallWatch watch_;
  std::unique_ptr<SlotPipeline> pipeline_;  // last: its threads use everything above
};

}  // namespace eosin::data
