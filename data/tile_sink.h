#pragma once
// Where the slides of one `eosin tile` go: a tile store, or files of coordinates for programs that read the pixels themselves.
#include "data/slide_part.h"
#include "data/tiling_job.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// Thread-safe: workers tile different slides at the same time. A killed run loses nothing but the record in flight.
class TileSink {
 public:
  virtual ~TileSink() = default;
  /// Whether an earlier call of finish(), of this run or one before, has the slide; then begin() is not called for it.
  virtual bool is_complete(const std::string& slide_id) const = 0;
  /// The row of a complete slide, as far as it is known.
  virtual SlideRow complete_slide(const std::string& slide_id) const = 0;
  virtual SlidePart begin(const std::string& slide_id) = 0;
  virtual void finish(SlidePart part, const SlideRow& row, const SlidePlan& plan) = 0;
  /// The slide failed: it will not be there. Its part, if any, is removed.
  virtual void skip(const std::string& slide_id) = 0;
  /// After every slide was finished, skipped or complete: writes what needs them all; returns what was made.
  virtual std::vector<std::string> close() = 0;
};

/// The sink of `config.output` in the folder `config.store`, whose lock it holds.
/// Errors   Io if the folder is locked or cannot be written; Config if it was begun with another identity.
/// Checked  tests/data/test_tiler.cpp.
std::unique_ptr<TileSink> make_tile_sink(const TileConfig& config, const TilingJob& job);

}  // namespace eosin::data
