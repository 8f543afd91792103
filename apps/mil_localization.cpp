#include "apps/mil_localization.h"

#include "data/png.h"
#include "eval/localization.h"

#include <ATen/ATen.h>

#include <filesystem>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

/// The slide's row; null if not both inside and outside have tiles.
Json row_of(Looks& looks, const ScoredBag& bag, const SlideOfBag& slide, const data::Mask& mask) {
  const eval::ScoredTiles tiles = slide.tiles(bag.scores_of(looks.shown_class(bag)));
  const auto found = eval::localize(tiles, mask, looks.size(slide, tiles), looks.config.heatmaps.min_inside);
  if (!found) return nullptr;
  Json row{{"slide", slide.slide.name}, {"tiles", found->tiles}, {"inside", found->inside}, {"average_precision", found->average_precision},
           {"chance", found->chance},   {"auroc", found->auroc}};
  if (looks.has_classes()) row["target"] = looks.answer_name(bag.target), row["predicted"] = looks.answer_name(bag.predicted);
  return row;
}

}  // namespace

std::string mask_of(const std::string& pattern, const std::string& slide) {
  static const std::string kSlide = "{slide}";
  return std::string(pattern).replace(pattern.find(kSlide), kSlide.size(), slide);
}

Json localize_regions(Looks& looks) {
  const auto& keys = looks.config.heatmaps;
  if (keys.masks.empty()) return nullptr;
  Json rows = Json::array();
  int64_t masks = 0;
  for (const ScoredBag& bag : looks.bags)
    for (const SlideOfBag& slide : looks.slides(bag)) {
      const std::string path = mask_of(keys.masks, slide.file_name());
      if (!slide.has_places() || !std::filesystem::exists(path)) continue;
      ++masks;
      if (Json row = row_of(looks, bag, slide, data::read_mask_png(path)); !row.is_null()) rows.push_back(std::move(row));
    }
  Json all{{"masks", masks}, {"slides", rows.size()}, {"min_inside", keys.min_inside}};
  for (const char* measure : {"average_precision", "chance", "auroc"}) {
    double sum = 0;
    for (const Json& row : rows) sum += row[measure].get<double>();
    if (!rows.empty()) all[measure] = sum / static_cast<double>(rows.size());
  }
  all["by_slide"] = std::move(rows);
  return all;
}

}  // namespace eosin::apps
