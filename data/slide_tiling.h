#pragma once
// One slide from file to finished part of the store, resumable at any tile.
#include "data/slide_list.h"
#include "data/tile_config.h"
#include "data/tile_journal.h"
#include "data/tile_pipeline.h"
#include "data/tile_sink.h"

#include <functional>
#include <memory>

namespace eosin::data {

/// Where a slide's results go; outlives the jobs. `cut` and `done` may be called by any thread.
struct TilingSinks {
  TileSink& sink;
  TileJournal& journal;
  TileStageTimes& times;
  std::function<void(int64_t tiles, int64_t bytes)> made;
  std::function<void(const SlideRecord&)> done;
};

/// A slide that cannot be used, or of which more than 1 % of the tiles are damaged, is recorded as failed and left out of the sink; an
/// error of the sink itself leaves the job as an exception. `job` outlives what is returned.
std::unique_ptr<SlideJob> make_slide_job(const SlideEntry& entry, const TileConfig& config, const TilingJob& job, TilingSinks sinks);

}  // namespace eosin::data
