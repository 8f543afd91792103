#pragma once
// The pixels of a cohort's slides, as far as somebody said where they are.
#include "data/image.h"
#include "data/slide_list.h"
#include "data/slide_reader.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eosin::apps {

/// Slides are found by name, with or without the file's ending. One is held open at a time: ask for all of a slide before the next.
class SlidePixels {
 public:
  /// `files` as `eosin tile` takes slides; if empty, the cohort's own column path, if it has one. `thumbnails`: a folder of pictures of whole
  /// slides, <slide>.png, .jpg or .jpeg, for overviews of slides without a file.
  ///
  /// Errors   those of data::list_slides, of `files` alone.
  SlidePixels(const std::vector<std::string>& files, const std::string& cohort, const std::string& thumbnails);

  /// The whole slide, no side longer than `longest_px`. Nothing if it is not known, or cannot be read, which the log says once a slide.
  std::optional<data::Image> overview(const std::string& slide, int64_t longest_px);
  /// A square of `level0_px` level-0 pixels, at an edge of `size_px`. Nothing as overview().
  std::optional<data::Image> tile(const std::string& slide, data::Point corner, int64_t level0_px, int64_t size_px);
  /// Level 0. Nothing as overview().
  std::optional<data::Size> size(const std::string& slide);
  /// Slides that were named but could not be read.
  int64_t unreadable() const { return unreadable_; }

 private:
  const data::SlideReader* open(const std::string& slide);

  std::map<std::string, std::string> paths_;  // by name; empty: cannot be opened
  std::string thumbnails_;
  std::string opened_;
  std::unique_ptr<data::SlideReader> reader_;
  int64_t unreadable_ = 0;
};

}  // namespace eosin::apps
