#include "apps/mil_looks.h"

#include "apps/mil_heatmaps.h"
#include "apps/mil_localization.h"
#include "apps/mil_top_tiles.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/resize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int64_t kLongestShown = 1024, kMostTargets = 6;

std::optional<int64_t> number_of_class(const std::string& name, const MilInputs& in) {
  if (name.empty()) return std::nullopt;
  const auto& classes = in.cohort.classes;  // none in survival
  const auto it = std::find(classes.begin(), classes.end(), name);
  EOSIN_CHECK(it != classes.end(), Config, "[heatmaps.class] there is no class '{}' (the cohort has: {})", name, fmt::join(classes, ", "));
  return it - classes.begin();
}

std::vector<std::string> slides_of(const data::Cohort& cohort) {
  std::vector<std::string> slides;
  for (const auto& bag : cohort.bags) slides.insert(slides.end(), bag.slides.begin(), bag.slides.end());
  return slides;
}

void make_folder(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  EOSIN_CHECK(!ec, Io, "[heat maps] cannot make the folder '{}': {}", path, ec.message());
}

}  // namespace

std::string SlideOfBag::file_name() const { return fs::path(slide.path).stem().string(); }

double SlideOfBag::mpp() const {
  const auto& m = slide.meta;
  return m.patch_size_level0 > 0 ? m.mpp * static_cast<double>(m.patch_size) / static_cast<double>(m.patch_size_level0) : 0;
}

std::vector<double> SlideOfBag::part_of(const Tensor& values_N) const {
  const Tensor x = values_N.narrow(0, first, slide.rows).to(at::kDouble).contiguous();
  return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
}

eval::ScoredTiles SlideOfBag::tiles(const Tensor& scores_N) const {
  eval::ScoredTiles tiles;
  tiles.score = part_of(scores_N);
  const Tensor xy = slide.coords_N2.to(at::kLong).contiguous();
  const int64_t* v = xy.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < slide.rows; ++i) tiles.corner.push_back({v[2 * i], v[2 * i + 1]});
  tiles.size_px = slide.meta.patch_size_level0 > 0 ? slide.meta.patch_size_level0 : std::max<int64_t>(1, eval::grid_step(tiles.corner));
  return tiles;
}

void ReportPictures::add(const std::string& name, const data::Image& image, const std::string& caption) {
  std::string file = name + ".jpg";
  std::replace_if(
      file.begin(), file.end(), [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '.'; }, '_');
  const double shrink = std::min(1.0, static_cast<double>(kLongestShown) / static_cast<double>(std::max(image.height, image.width)));
  const auto scaled = [&](int64_t v) { return std::max<int64_t>(1, std::llround(static_cast<double>(v) * shrink)); };
  std::vector<uint8_t> bytes;
  data::encode_jpeg(data::resize(image, scaled(image.height), scaled(image.width), data::Filter::kBilinear), 85, data::Subsampling::k444, bytes);
  write_file(folder_ + "/" + file, bytes);
  captions_[file] = caption;
}

void ReportPictures::write_captions() const {
  if (!captions_.empty()) write_file(folder_ + "/captions.json", captions_.dump(1, ' ', false, Json::error_handler_t::replace));
}

int64_t Looks::n_answers() const {
  if (has_classes()) return inputs.outcomes.n_classes;
  return std::clamp<int64_t>(static_cast<int64_t>(inputs.outcomes.targets.size()), 1, kMostTargets);
}

std::string Looks::answer_name(int64_t c) const {
  if (has_classes()) return inputs.set.classes[static_cast<size_t>(c)];
  return inputs.outcomes.targets.empty() ? "risk" : inputs.outcomes.targets[static_cast<size_t>(c)];
}

std::vector<SlideOfBag> Looks::slides(const ScoredBag& bag) const {
  std::vector<SlideOfBag> found;
  int64_t first = 0;
  for (auto& slide : inputs.bags->slides(bag.bag)) {
    const int64_t rows = slide.rows;
    found.push_back({std::move(slide), first});
    first += rows;
  }
  return found;
}

data::Size Looks::size(const SlideOfBag& slide, const eval::ScoredTiles& tiles) {
  if (const auto size = pixels.size(slide.slide.name)) return *size;
  data::Size size{slide.slide.meta.level0_width, slide.slide.meta.level0_height};
  if (size.width > 0 && size.height > 0) return size;
  for (const auto& [x, y] : tiles.corner) {
    size.width = std::max(size.width, x + tiles.size_px);
    size.height = std::max(size.height, y + tiles.size_px);
  }
  return size;
}

std::vector<const ScoredBag*> Looks::by_answer(int64_t c) const {
  std::vector<const ScoredBag*> order;
  for (const ScoredBag& b : bags) order.push_back(&b);
  const auto at = static_cast<size_t>(c);
  std::stable_sort(order.begin(), order.end(), [at](const ScoredBag* a, const ScoredBag* b) { return a->answer[at] > b->answer[at]; });
  return order;
}

void check_looks(const MilConfig& c, const MilInputs& in) {
  number_of_class(c.heatmaps.of_class, in);
  if (!c.heatmaps.files.empty()) data::list_slides(c.heatmaps.files);
  const auto slides = slides_of(in.cohort);
  for (const auto& slide : c.heatmaps.slides) {
    const auto near = config::nearest(slide, slides);
    EOSIN_CHECK(std::find(slides.begin(), slides.end(), slide) != slides.end(), Config, "[heatmaps.slides] the cohort has no slide '{}'{}", slide,
                near ? "; did you mean '" + *near + "'?" : "");
  }
  if (c.heatmaps.masks.empty()) return;
  const auto has_mask = [&](const std::string& slide) {
    return fs::exists(mask_of(c.heatmaps.masks, slide)) || fs::exists(mask_of(c.heatmaps.masks, fs::path(slide).stem().string()));
  };
  EOSIN_CHECK(std::any_of(slides.begin(), slides.end(), has_mask), Config, "[heatmaps.masks] no slide of the cohort has a mask '{}'",
              c.heatmaps.masks);
}

Json look_at_tiles(const MilConfig& c, const MilInputs& in, const std::vector<ScoredBag>& bags, const std::string& run_dir) {
  if (bags.empty()) return {{"notes", Json::array({fmt::format("head {} says nothing of single tiles: there are no heat maps", c.head.name())})}};
  const std::string pictures = run_dir + "/pictures";
  fs::remove_all(pictures);  // those of an earlier look; heatmaps/ keeps what was painted before
  make_folder(pictures);
  Looks looks{c,
              in,
              bags,
              run_dir,
              number_of_class(c.heatmaps.of_class, in),
              SlidePixels(c.heatmaps.files, c.cohort, c.heatmaps.thumbnails),
              ReportPictures(pictures),
              {}};
  Json results = Json::object();
  const auto keep = [&](const char* key, Json found) {
    if (!found.empty()) results[key] = std::move(found);
  };
  keep("heatmaps", paint_heatmaps(looks));
  keep("top_tiles", list_top_tiles(looks));
  keep("localization", localize_regions(looks));
  looks.pictures.write_captions();
  if (const int64_t n = looks.pixels.unreadable(); n > 0)
    looks.notes.push_back(fmt::format("of {} slides the pixels could not be read (log.txt)", n));
  results["notes"] = looks.notes;
  return results;
}

}  // namespace eosin::apps
