#include "apps/slide_pixels.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "data/picture.h"
#include "data/resize.h"

#include <cmath>
#include <filesystem>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;

std::string stem_of(const std::string& slide) { return fs::path(slide).stem().string(); }

bool has_paths(const std::string& cohort) { return !cohort.empty() && CsvTable::read(cohort).find("path").has_value(); }

/// What is left of a picture that cannot be had: a line in the log.
template <class Read>
auto readable(const std::string& slide, int64_t& unreadable, Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const Error& e) {
    log::warn("[heat maps] {}: {}", slide, e.what());
    ++unreadable;
    return {};
  }
}

}  // namespace

SlidePixels::SlidePixels(const std::vector<std::string>& files, const std::string& cohort, const std::string& thumbnails) : thumbnails_(thumbnails) {
  const auto add = [&](const std::vector<std::string>& words) {
    for (const auto& entry : data::list_slides(words)) paths_.emplace(entry.id, entry.path), paths_.emplace(stem_of(entry.id), entry.path);
  };
  if (!files.empty()) {
    add(files);
  } else if (has_paths(cohort)) {
    readable(cohort, unreadable_, [&] {
      add({cohort});
      return true;
    });
  }
}

const data::SlideReader* SlidePixels::open(const std::string& slide) {
  if (slide == opened_) return reader_.get();
  opened_ = slide;
  reader_.reset();
  auto it = paths_.find(slide);
  if (it == paths_.end()) it = paths_.find(stem_of(slide));
  if (it == paths_.end() || it->second.empty()) return nullptr;
  reader_ = readable(slide, unreadable_, [&] { return data::open_slide(it->second); });
  if (!reader_) it->second.clear();  // said once
  return reader_.get();
}

std::optional<data::Image> SlidePixels::overview(const std::string& slide, int64_t longest_px) {
  if (const auto* reader = open(slide))
    return readable(slide, unreadable_, [&]() -> std::optional<data::Image> { return data::read_overview(*reader, longest_px); });
  for (const char* ending : {".png", ".jpg", ".jpeg"}) {
    if (thumbnails_.empty()) break;
    const std::string path = (fs::path(thumbnails_) / (stem_of(slide) + ending)).string();
    if (!fs::exists(path)) continue;
    return readable(slide, unreadable_, [&]() -> std::optional<data::Image> {
      const std::string bytes = read_file(path);
      return data::decode_picture({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path);
    });
  }
  return std::nullopt;
}

std::optional<data::Image> SlidePixels::tile(const std::string& slide, data::Point corner, int64_t level0_px, int64_t size_px) {
  const auto* reader = open(slide);
  if (!reader) return std::nullopt;
  return readable(slide, unreadable_, [&]() -> std::optional<data::Image> {
    const int level = reader->info().level_for(static_cast<double>(level0_px) / static_cast<double>(size_px));
    const double edge = static_cast<double>(level0_px) / reader->info().downsamples[static_cast<size_t>(level)];
    const int64_t pixels = std::max<int64_t>(1, std::llround(edge));
    return data::resize(data::read_region(*reader, corner, level, {pixels, pixels}), size_px, size_px, data::Filter::kBilinear);
  });
}

std::optional<data::Size> SlidePixels::size(const std::string& slide) {
  const auto* reader = open(slide);
  return reader ? std::optional(reader->info().size()) : std::nullopt;
}

}  // namespace eosin::apps
