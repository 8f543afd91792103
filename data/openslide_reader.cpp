#include "data/openslide_reader.h"

#include "core/base/error.h"
#include "data/slide_scale.h"

#include <openslide.h>

#include <algorithm>
#include <mutex>

namespace eosin::data {
namespace {

using Handle = std::shared_ptr<openslide_t>;

Handle open_handle(const std::string& path) {
  openslide_t* raw = openslide_open(path.c_str());
  EOSIN_CHECK(raw != nullptr, Data, "[slide] '{}' is not a slide that OpenSlide reads", path);
  Handle handle(raw, openslide_close);
  const char* error = openslide_get_error(raw);
  EOSIN_CHECK(error == nullptr, Data, "[slide] '{}' is damaged: {}", path, error);
  return handle;
}

std::string property(const SlideInfo& info, const char* name) {
  const auto it = info.properties.find(name);
  return it == info.properties.end() ? std::string() : it->second;
}

SlideInfo read_info(openslide_t* slide, const std::string& path) {
  SlideInfo info;
  info.path = path;
  for (int l = 0; l < openslide_get_level_count(slide); ++l) {
    Size s;
    openslide_get_level_dimensions(slide, l, &s.width, &s.height);
    EOSIN_CHECK(s.width > 0 && s.height > 0, Data, "[slide] level {} of '{}' has no pixels (got {} x {})", l, path, s.width, s.height);
    info.dimensions.push_back(s);
    info.downsamples.push_back(openslide_get_level_downsample(slide, l));
  }
  EOSIN_CHECK(!info.dimensions.empty(), Data, "[slide] '{}' has no levels", path);
  for (const char* const* name = openslide_get_property_names(slide); name && *name; ++name)
    if (const char* value = openslide_get_property_value(slide, *name)) info.properties[*name] = value;
  info.vendor = property(info, OPENSLIDE_PROPERTY_NAME_VENDOR);
  for (const char* name : {"aperio.ScanScope ID", "hamamatsu.Product", "tiff.Model"})
    if (info.scanner.empty()) info.scanner = property(info, name);
  info.mpp_x = plausible_mpp(property(info, OPENSLIDE_PROPERTY_NAME_MPP_X));
  info.mpp_y = plausible_mpp(property(info, OPENSLIDE_PROPERTY_NAME_MPP_Y));
  info.objective = parse_positive(property(info, OPENSLIDE_PROPERTY_NAME_OBJECTIVE_POWER));
  return info;
}

constexpr size_t kKeptPixels = size_t{1} << 22;  // a tile's or a strip's; a whole level's are 400 MB, which a thread must not keep

/// channel + (255 - alpha): premultiplied ARGB over white. A TIFF's fourth channel that is no alpha makes colours that are not premultiplied.
void over_white(const uint32_t* argb, int64_t n, uint8_t* rgb) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t p = argb[i], white = 255 - (p >> 24);
    rgb[3 * i] = static_cast<uint8_t>(std::min(255u, ((p >> 16) & 255) + white));
    rgb[3 * i + 1] = static_cast<uint8_t>(std::min(255u, ((p >> 8) & 255) + white));
    rgb[3 * i + 2] = static_cast<uint8_t>(std::min(255u, (p & 255) + white));
  }
}

class OpenSlideReader final : public SlideReader {
 public:
  explicit OpenSlideReader(const std::string& path) : handle_(open_handle(path)), info_(read_info(handle_.get(), path)) {}

  const SlideInfo& info() const override { return info_; }

  void read(Point level0, int level, Size size, uint8_t* rgb) const override {
    thread_local std::vector<uint32_t> kept;
    std::vector<uint32_t> passing;
    const auto pixels = static_cast<size_t>(size.width * size.height);
    std::vector<uint32_t>& argb = pixels <= kKeptPixels ? kept : passing;
    if (argb.size() < pixels) argb.resize(pixels);
    const auto read_with = [&](openslide_t* slide) {
      openslide_read_region(slide, argb.data(), level0.x, level0.y, level, size.width, size.height);
      return openslide_get_error(slide);
    };
    if (read_with(current().get()) != nullptr) {
      const Handle fresh = open_handle(info_.path);
      const char* error = read_with(fresh.get());
      EOSIN_CHECK(error == nullptr, Data, "[slide] '{}' is damaged at ({}, {}), level {}: {}", info_.path, level0.x, level0.y, level, error);
      replace(fresh);
    }
    over_white(argb.data(), size.width * size.height, rgb);
  }

 private:
  Handle current() const {
    const std::lock_guard lock(mutex_);
    return handle_;
  }
  void replace(const Handle& fresh) const {
    const std::lock_guard lock(mutex_);
    handle_ = fresh;
  }

  mutable std::mutex mutex_;
  mutable Handle handle_;
  SlideInfo info_;
};

}  // namespace

bool openslide_accepts(const std::string& path) { return openslide_detect_vendor(path.c_str()) != nullptr; }

std::unique_ptr<SlideReader> open_openslide(const std::string& path) { return std::make_unique<OpenSlideReader>(path); }

}  // namespace eosin::data
