#include "apps/mil_heatmaps.h"

#include "core/base/atomic_file.h"
#include "core/base/progress_line.h"
#include "data/png.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;
using Bags = std::vector<const ScoredBag*>;

Bags bags_of_slides(Looks& looks, const std::vector<std::string>& slides) {
  std::map<std::string, const ScoredBag*> of_slide;
  for (const ScoredBag& b : looks.bags)
    for (const auto& slide : looks.inputs.cohort.bags[static_cast<size_t>(b.bag)].slides) of_slide[slide] = &b;
  Bags chosen;
  for (const auto& slide : slides) {
    const auto it = of_slide.find(slide);
    if (it == of_slide.end()) looks.notes.push_back(fmt::format("{} has no heat map: no model that had not seen it", slide));
    if (it != of_slide.end() && !std::ranges::count(chosen, it->second)) chosen.push_back(it->second);
  }
  return chosen;
}

/// Of every class in turn the surest bag that is left, then the least sure, and so on; of risks or the first target the highest, then the lowest.
Bags surest_and_least_sure(const Looks& looks, size_t count) {
  std::vector<Bags> left;
  for (int64_t c = 0; c < (looks.has_classes() ? looks.n_answers() : 1); ++c) {
    left.push_back(looks.by_answer(c));
    std::erase_if(left.back(), [&](const ScoredBag* b) { return looks.has_classes() && b->target != c; });
  }
  Bags chosen;
  count = std::min(count, looks.bags.size());
  for (bool surest = true; chosen.size() < count; surest = !surest)
    for (Bags& of_class : left) {
      if (of_class.empty() || chosen.size() == count) continue;
      const auto at = surest ? of_class.begin() : of_class.end() - 1;
      chosen.push_back(*at);
      of_class.erase(at);
    }
  return chosen;
}

/// "attention", or "class attention of tumour".
std::string kind_of(const Looks& looks, const ScoredBag& bag) {
  return bag.tiles.by_class ? bag.tiles.kind + " of " + looks.answer_name(looks.shown_class(bag)) : bag.tiles.kind;
}

std::string caption_of(const Looks& looks, const ScoredBag& bag, const SlideOfBag& slide) {
  const std::string what = fmt::format("{}: {}", slide.slide.name, kind_of(looks, bag));
  if (!looks.has_classes()) return fmt::format("{}; {} {:.3g}", what, looks.answer_name(0), bag.answer[0]);
  return fmt::format("{}; is {}, predicted {} ({:.2f})", what, looks.answer_name(bag.target), looks.answer_name(bag.predicted),
                     bag.answer[static_cast<size_t>(bag.predicted)]);
}

/// Percentile as painted; score, and weight in the bag's answer, of every class if the head tells them apart.
std::vector<eval::Measurement> measurements(const Looks& looks, const ScoredBag& bag, const SlideOfBag& slide, const eval::ScoredTiles& tiles) {
  std::vector<eval::Measurement> values = {{"percentile", eval::score_percentiles(tiles.score)}};
  for (int64_t row = 0; row < bag.tiles.score_KN.size(0); ++row) {
    const std::string of = bag.tiles.by_class ? " " + looks.answer_name(row) : "";
    values.emplace_back("score" + of, slide.part_of(bag.tiles.score_KN[row]));
    if (bag.tiles.attention_KN.defined()) values.emplace_back("attention" + of, slide.part_of(bag.tiles.attention_KN[row]));
  }
  return values;
}

Json paint(Looks& looks, const ScoredBag& bag, const SlideOfBag& slide) {
  const eval::ScoredTiles tiles = slide.tiles(bag.scores_of(looks.shown_class(bag)));
  const auto ground = looks.pixels.overview(slide.slide.name, looks.config.heatmaps.longest_px);
  eval::HeatmapStyle style;
  style.longest_px = looks.config.heatmaps.longest_px, style.mpp = slide.mpp();
  style.legend = fmt::format("{}: percentile among the slide's {} tiles", kind_of(looks, bag), tiles.score.size());
  const data::Image picture = eval::paint_heatmap(tiles, looks.size(slide, tiles), ground ? &*ground : nullptr, style);
  const std::string name = "heatmaps/" + slide.file_name();
  write_file(looks.run_dir + "/" + name + ".png", data::encode_png(picture));
  write_file(looks.run_dir + "/" + name + ".geojson", eval::tiles_geojson(tiles, measurements(looks, bag, slide, tiles)));
  looks.pictures.add("heatmap-" + slide.file_name(), picture, caption_of(looks, bag, slide));
  Json row{{"slide", slide.slide.name},          {"bag", looks.id(bag)}, {"png", name + ".png"},
           {"geojson", name + ".geojson"},       {"of", bag.tiles.kind}, {"tiles", tiles.score.size()},
           {"ground", ground ? "slide" : "none"}};
  if (bag.tiles.by_class) row["class"] = looks.answer_name(looks.shown_class(bag));
  if (looks.has_classes()) row["target"] = looks.answer_name(bag.target), row["predicted"] = looks.answer_name(bag.predicted);
  return row;
}

}  // namespace

Json paint_heatmaps(Looks& looks) {
  const auto& keys = looks.config.heatmaps;
  const Bags chosen = keys.slides.empty() ? surest_and_least_sure(looks, static_cast<size_t>(keys.count)) : bags_of_slides(looks, keys.slides);
  std::filesystem::create_directories(looks.run_dir + "/heatmaps");
  ProgressLine line("mil", "heat maps", static_cast<int64_t>(chosen.size()));
  Json rows = Json::array();
  int64_t without = 0;
  for (const ScoredBag* bag : chosen) {
    for (const SlideOfBag& slide : looks.slides(*bag)) {
      if (!keys.slides.empty() && !std::ranges::count(keys.slides, slide.slide.name)) continue;
      if (slide.has_places())
        rows.push_back(paint(looks, *bag, slide));
      else
        ++without;
    }
    line.add();
  }
  if (without > 0) looks.notes.push_back(fmt::format("{} slides have no heat map: their features have no coordinates", without));
  return rows;
}

}  // namespace eosin::apps
