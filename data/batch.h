#pragma once
// Plain structs that cross from data/ to training; ids ride with every tensor from disk to log line.
#include "core/kernels/views.h"
#include "core/tensor/state.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace eosin::data {

/// A tile: row of the store's slide table, and level-0 pixels of its top-left corner.
struct SampleId {
  int32_t slide = -1;
  int64_t x = 0, y = 0;
};

/// Views that are drawn but not rendered: decoded tiles, and one record a crop.
struct DrawnViews {
  /// `views` neighbouring views of one size: records of the first view of every tile, of the second, ...
  struct Group {
    kernels::ViewRecipe recipe;
    int64_t views = 0;
    Tensor records;  // u8 [views * B, 64]
  };
  Tensor tiles_BHWC;  // u8
  std::vector<Group> groups;
  int64_t undistorted = 0;  // of the last views
};

/// Views of `ids.size()` tiles. views_BCHW[v] holds view v of every tile, float, normalised, contiguous [B, 3, H, W]: global crops first.
/// Views of equal size may be slices of one slab, so that torch::cat of neighbours is a view, not a copy.
/// On the way to a device they may be bfloat16.
struct ViewBatch {
  std::vector<Tensor> views_BCHW;
  std::vector<Tensor> undistorted_BCHW;  // the global crops cut and turned alike and not augmented else, of another size; mostly none
  std::vector<SampleId> ids;
  std::vector<int64_t> tiles;       // their numbers in the source
  Tensor labels_B;                  // int64, their classes; undefined where the source knows none
  int64_t first_position = 0;       // global position of ids[0] in the sampler's order
  std::optional<DrawnViews> drawn;  // instead of views_BCHW: to_device() renders them where they arrive
  Tensor masks_BN;                  // masked patches of the two global crops, crop-major, bool; undefined: methods that mask draw their own
};

/// Takes rendered views, of which the last are undistorted ones.
void set_views(ViewBatch& batch, std::vector<Tensor> views_BCHW, int64_t undistorted);

/// The batch on that device, float and rendered; the same batch if it is so already. Slabs cross as one copy each, and stay slabs.
ViewBatch to_device(ViewBatch batch, c10::Device device);

/// A stream of batches in a fixed order; its state is a few integers and, for the stores, the quarantine set.
template <class Batch>
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Blocks until the next batch is ready. Data error when too many tiles are bad.
  virtual Batch next() = 0;
  /// The cursor counts consumed batches, not prefetched ones.
  virtual State state() = 0;
  virtual void load_state(const State& state) = 0;
  /// Seconds that next() has waited since the start.
  virtual double wait_seconds() const = 0;
};

}  // namespace eosin::data
