#include "apps/mil_top_tiles.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "data/contact_sheet.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBags = 4;
constexpr int64_t kShownPx = 128;

/// Rows by descending score, the first of equal ones first.
std::vector<int64_t> highest(const std::vector<double>& score, size_t count) {
  std::vector<int64_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[static_cast<size_t>(a)] > score[static_cast<size_t>(b)]; });
  order.resize(std::min(order.size(), count));
  return order;
}

/// Where row i of a bag is; a bag that is not made of slides, or a file without coordinates, leaves it unsaid.
struct TilePlace {
  const SlideOfBag* slide = nullptr;
  int64_t tile = 0;
  std::optional<data::Point> corner;
};
TilePlace place_of(const std::vector<SlideOfBag>& slides, int64_t i) {
  for (const SlideOfBag& s : slides) {
    if (i < s.first || i >= s.first + s.slide.rows) continue;
    TilePlace place{&s, i - s.first, {}};
    if (s.has_places()) place.corner = {s.slide.coords_N2[place.tile][0].item<int64_t>(), s.slide.coords_N2[place.tile][1].item<int64_t>()};
    return place;
  }
  return {nullptr, i, {}};
}

Json row_of(const Looks& looks, const ScoredBag& bag, int64_t c, const TilePlace& place) {
  Json row{{"class", looks.answer_name(c)}, {"bag", looks.id(bag)}, {"answer", bag.answer[static_cast<size_t>(c)]}};
  row["slide"] = place.slide ? Json(place.slide->slide.name) : Json();
  row["tile"] = place.tile;
  row["x"] = place.corner ? Json(place.corner->x) : Json();
  row["y"] = place.corner ? Json(place.corner->y) : Json();
  const int64_t edge = place.slide ? place.slide->slide.meta.patch_size_level0 : 0;
  row["level0_size"] = edge > 0 ? Json(edge) : Json();
  return row;
}

/// Adds the rows of a bag's highest tiles; returns those of which the pixels are known.
std::vector<data::Image> add_highest(Looks& looks, const ScoredBag& bag, int64_t c, Json& rows) {
  const Tensor score_N = bag.scores_of(c).contiguous();
  const std::vector<double> score(score_N.const_data_ptr<double>(), score_N.const_data_ptr<double>() + score_N.numel());
  const auto percentile = eval::score_percentiles(score);
  const auto slides = looks.slides(bag);
  std::vector<data::Image> images;
  for (const int64_t i : highest(score, static_cast<size_t>(looks.config.heatmaps.top_tiles))) {
    const TilePlace place = place_of(slides, i);
    Json row = row_of(looks, bag, c, place);
    row["score"] = score[static_cast<size_t>(i)], row["percentile"] = percentile[static_cast<size_t>(i)];
    if (place.corner && row["level0_size"].is_number())
      if (auto image = looks.pixels.tile(place.slide->slide.name, *place.corner, row["level0_size"].get<int64_t>(), kShownPx))
        images.push_back(std::move(*image));
    rows.push_back(std::move(row));
  }
  return images;
}

void add_class(Looks& looks, int64_t c, Json& rows) {
  auto bags = looks.by_answer(c);
  bags.resize(std::min(bags.size(), kBags));
  std::vector<std::vector<data::Image>> sheet;
  std::vector<std::string> shown;
  for (const ScoredBag* bag : bags) {
    auto images = add_highest(looks, *bag, c, rows);
    if (images.empty()) continue;
    sheet.push_back(std::move(images));
    shown.push_back(looks.id(*bag));
  }
  if (!sheet.empty())
    looks.pictures.add("top-tiles-" + looks.answer_name(c), data::contact_sheet(sheet),
                       fmt::format("highest tiles of {}, a row each of {}", looks.answer_name(c), fmt::join(shown, ", ")));
}

std::string table_of(const Json& rows) {
  std::vector<std::string> head;
  for (const auto& [key, v] : rows.front().items()) head.push_back(key);
  std::string text = csv_line(head);
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const auto& [key, v] : row.items()) cells.push_back(v.is_string() ? v.get<std::string>() : v.is_null() ? "" : v.dump());
    text += csv_line(cells);
  }
  return text;
}

}  // namespace

Json list_top_tiles(Looks& looks) {
  Json rows = Json::array();
  if (looks.config.heatmaps.top_tiles == 0) return rows;
  for (int64_t c = 0; c < looks.n_answers(); ++c) add_class(looks, c, rows);
  write_file(looks.run_dir + "/top_tiles.csv", table_of(rows));
  return rows;
}

}  // namespace eosin::apps
