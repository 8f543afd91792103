#pragma once
// Slides to a tile store: the work behind `eosin tile`.
#include "data/tiling_job.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace eosin::data {

struct TilingProgress {
  int64_t slides_done = 0, slides = 0;
  int64_t tiles = 0, bytes = 0;  // made by this run
};

struct TilingResult {
  int64_t slides = 0, slides_ok = 0, slides_no_tissue = 0, slides_failed = 0;
  int64_t slides_skipped = 0;                   // of the above, complete before this run
  int64_t tiles = 0, bytes = 0;                 // of all slides named, skipped ones included
  int64_t tiles_made = 0;                       // by this run
  int64_t tiles_copied = 0;                     // of slides finished by this run: their own JPEG streams
  std::map<std::string, int64_t> filtered;      // by cause, over all slides
  int64_t stain_left = 0;                       // tiles whose colours could not be estimated, over all slides
  std::map<std::string, std::string> failures;  // slide -> reason
  double seconds = 0;
  std::map<std::string, double> stage_cpu_seconds;  // of all threads, by the names of kTileStageNames
  std::vector<std::string> stores;                  // the shards
  bool stopped = false;                             // on request; the same command goes on
  bool too_many_failed = false;                     // more than max_failed_fraction
};

/// What a run would do, from the slides' headers alone.
struct TilingAmounts {
  int64_t slides = 0, readable = 0;
  int64_t grid_tiles = 0;                       // before tissue and filters: an upper bound
  std::map<std::string, std::string> failures;  // slide -> why it would fail, as far as its header tells
};
TilingAmounts measure_tiling(const TileConfig& config);

/// Cuts all slides into `config.store`, a tile store or files of coordinates (config.output). Slides that it holds are skipped, and a killed run is
/// continued: it is, uuid and time aside, bit for bit that of an undisturbed run, for any number of threads. Slides.jsonl, failures.jsonl and
/// qc/<slide>.jpg go to run.dir, or to the store's folder if that is empty. A slide that fails is recorded and does not stop the others.
/// Errors   Config: no slides, a store begun with other keys, another path or mpp of a finished slide. Data: two slides with one id, a text of a
///          table too long for the store. Io: the store or the records cannot be written (a full disk; what was written stays for the next run).
/// Checked  tests/data/test_tiler.cpp: thread counts, kill -9 and resume, failures, real slides.
TilingResult tile_slides(const TileConfig& config, const std::function<void(const TilingProgress&)>& progress = {});

/// The same for a job of the caller's; `config.slides`, `grid` and `tissue` are not looked at.
TilingResult tile_slides(const TileConfig& config, const TilingJob& job, const std::function<void(const TilingProgress&)>& progress = {});

}  // namespace eosin::data
