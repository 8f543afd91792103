#pragma once
// Keeps threads busy with several slides at once, while each slide's tiles come out in order.
#include "data/tile_cutter.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace eosin::data {

/// One slide's way through the workers. An exception that leaves any of these ends the whole run; what concerns the slide alone is the
/// job's own business.
class SlideJob {
 public:
  virtual ~SlideJob() = default;
  /// Called once, by any thread; returns the number of tiles to cut.
  virtual size_t start() = 0;
  /// Cuts tile i; many threads at once.
  virtual CutTile cut(size_t i) = 0;
  /// Takes tile 0, 1, 2, ...; one thread at a time. False gives the slide up: nothing more is taken.
  virtual bool take(CutTile tile) = 0;
  /// After the last tile was taken (or the slide was given up).
  virtual void finish() = 0;
};

struct PipelineSettings {
  int threads = 1;
  size_t tiles_a_chunk = 16;
  size_t chunks_ahead = 4;  // per thread: how far a slide may run ahead of its slowest tile
  size_t max_open_slides = 16;
};

/// Runs all jobs that `next` yields (null ends them); it is called under a lock, in order. What comes out does not depend on the number of
/// threads. Memory is bounded by the open slides and the tiles that are ahead. When `stop` turns true the workers return after the tile at
/// hand; returns false if that left work undone.
bool run_pipeline(const std::function<std::unique_ptr<SlideJob>()>& next, const PipelineSettings& settings, const std::function<bool()>& stop);

}  // namespace eosin::data
