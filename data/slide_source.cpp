#include "data/slide_source.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/base/sha256.h"
#include "data/grid.h"
#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

namespace eosin::data {
namespace {

constexpr double kWholeDownsample = 1e-3;

std::vector<std::string> paths_of(const std::vector<SlidePlaces>& places) {
  std::vector<std::string> paths;
  for (const SlidePlaces& p : places) paths.push_back(p.entry.path);
  return paths;
}

std::string digest_of(const std::vector<SlidePlaces>& places) {
  std::string text;
  for (const SlidePlaces& p : places) {
    text += fmt::format("{} {} {} {} {}\n", p.entry.id, p.size.width, p.size.height, p.mpp, p.step);
    for (size_t k = 0; k < p.cells.n_ranges(); ++k) text += fmt::format("{} {}\n", p.cells.range(k).first, p.cells.range(k).count);
  }
  return sha256(text);
}

/// The corner of a stretch of `edge` pixels around `centre`, inside [0, size) if it fits, at a multiple of `unit`.
int64_t corner_of(double centre, int64_t edge, int64_t size, int64_t unit) {
  const auto corner = static_cast<int64_t>(std::floor(centre - static_cast<double>(edge) / 2 + 0.5));
  if (edge >= size) return 0;
  return std::clamp<int64_t>(corner, 0, size - edge) / unit * unit;
}

}  // namespace

SlideSource::SlideSource(const SlideSourceConfig& config, std::vector<SlidePlaces> places, uint64_t seed)
    : tile_(config.tile),
      places_(std::move(places)),
      seed_(seed),
      digest_(digest_of(places_)),
      slides_(paths_of(places_), static_cast<size_t>(config.open_slides)) {
  for (const SlidePlaces& p : places_) firsts_.push_back(firsts_.back() + p.cells.size());
}

size_t SlideSource::slide_of(uint64_t index) const {
  EOSIN_ASSERT(index < n_tiles());
  return static_cast<size_t>(std::upper_bound(firsts_.begin(), firsts_.end(), index) - firsts_.begin()) - 1;
}

double SlideSource::draw_mpp(double u) const {
  if (tile_.mpp_weights.empty()) return tile_.mpp[std::min(static_cast<size_t>(u * static_cast<double>(tile_.mpp.size())), tile_.mpp.size() - 1)];
  const auto& weights = tile_.mpp_weights;
  double rest = u * std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t last = 0;  // with a weight: where rounding ends up
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    if (rest < weights[i]) return tile_.mpp[i];
    rest -= weights[i], last = i;
  }
  return tile_.mpp[last];
}

SlideSource::Cut SlideSource::cut(const TileDraw& draw) const {
  const size_t slide = slide_of(draw.index);
  const SlidePlaces& p = places_[slide];
  const auto cell = static_cast<int64_t>(p.cells[draw.index - firsts_[slide]]);
  RandomStream random(seed_, draw.position, 0, RandomOp::kPlace);
  const ReadPlan read = read_plan(p.downsamples, p.mpp, draw_mpp(random.uniform_double()), tile_.size_px);
  const auto centre = [&](int64_t number) {
    return static_cast<double>(p.step) * (static_cast<double>(number) + (tile_.random ? random.uniform_double() : 0.5));
  };
  const double x = centre(cell % p.columns), y = centre(cell / p.columns);
  const double downsample = p.downsamples[static_cast<size_t>(read.level)];
  const bool whole = std::abs(downsample - std::round(downsample)) < kWholeDownsample;
  const int64_t unit = tile_.random && whole ? std::llround(downsample) : 1;
  return {
      slide, {corner_of(x, read.tile_level0, p.size.width, unit), corner_of(y, read.tile_level0, p.size.height, unit)}, read.level, read.read_size};
}

SampleId SlideSource::id(const TileDraw& draw) const {
  const Cut c = cut(draw);
  return {static_cast<int32_t>(c.slide), c.corner.x, c.corner.y};
}

void SlideSource::read_image(const TileDraw& draw, std::vector<uint8_t>&, Image& out) const {
  const Cut c = cut(draw);
  const auto slide = slides_.get(c.slide);
  const Size size{c.read_size, c.read_size};
  if (c.read_size == tile_.size_px) {
    if (out.height != size.height || out.width != size.width) out = Image(size.height, size.width);
    slide->read(c.corner, c.level, size, out.rgb.data());
    return;
  }
  out = resize(read_region(*slide, c.corner, c.level, size), tile_.size_px, tile_.size_px, Filter::kBicubic);
}

std::vector<TileGroup> SlideSource::groups(const std::string& by) const {
  using Text = std::string SlideEntry::*;
  static const std::unordered_map<std::string, Text> texts = {
      {"slide", &SlideEntry::id}, {"patient", &SlideEntry::patient}, {"site", &SlideEntry::site}, {"stain", &SlideEntry::stain}};
  const auto text = texts.find(by);
  EOSIN_CHECK(text != texts.end(), Config, "[data] slides have no '{}' that groups their tiles; need slide, patient, site or stain", by);
  TileGroups groups;
  for (size_t s = 0; s < places_.size(); ++s) groups.add(places_[s].entry.*text->second, {firsts_[s], places_[s].cells.size()});
  return groups.take();
}

}  // namespace eosin::data
