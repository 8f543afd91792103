#pragma once
// One file of coordinates a slide, in TRIDENT's or CLAM's layout (docs/formats.md).
#include "core/base/file_lock.h"
#include "data/slide_coords.h"
#include "data/tile_sink.h"

#include <optional>

namespace eosin::data {

/// TRIDENT: `patches/<slide>_patches.h5`. CLAM: `patches/<slide>.h5`, and `process_list_autogen.csv` of the slides that have tiles.
class CoordsSink final : public TileSink {
 public:
  /// Errors   as make_tile_sink().
  CoordsSink(const TileConfig& config, const TilingJob& job);
  /// Config error if the slide's file was written with other settings, or by another program.
  bool is_complete(const std::string& slide_id) const override;
  SlideRow complete_slide(const std::string& slide_id) const override;
  SlidePart begin(const std::string& slide_id) override;
  void finish(SlidePart part, const SlideRow& row, const SlidePlan& plan) override;
  void skip(const std::string& slide_id) override;
  std::vector<std::string> close() override;

 private:
  std::string file_path(const std::string& slide_id) const;
  std::string part_path(const std::string& slide_id) const;
  void write_process_list() const;

  const CoordsLayout layout_;
  const std::string folder_, patches_, identity_;
  const int64_t tile_px_, overlap_px_;
  const double mpp_;
  const std::vector<SlideEntry> slides_;
  std::optional<FileLock> lock_;
};

}  // namespace eosin::data
