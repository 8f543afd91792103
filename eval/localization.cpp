#include "eval/localization.h"

#include "core/base/error.h"
#include "eval/ranking.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

/// Sum of `row` from `from` to `to`, cells that are cut counting by their part.
double sum_between(const uint8_t* row, double from, double to) {
  double sum = 0;
  for (auto u = static_cast<int64_t>(from); static_cast<double>(u) < to; ++u)
    if (row[u]) sum += std::min(to, static_cast<double>(u + 1)) - std::max(from, static_cast<double>(u));
  return sum;
}

}  // namespace

std::vector<double> covered_shares(const ScoredTiles& tiles, const data::Mask& mask, data::Size slide) {
  EOSIN_CHECK(mask.width > 0 && mask.height > 0 && slide.width > 0 && slide.height > 0, Shape, "[localization] a mask of {} x {} for {} x {} pixels",
              mask.width, mask.height, slide.width, slide.height);
  const double across = static_cast<double>(mask.width) / static_cast<double>(slide.width);
  const double down = static_cast<double>(mask.height) / static_cast<double>(slide.height);
  const auto within = [](double v, int64_t most) { return std::clamp(v, 0.0, static_cast<double>(most)); };
  const auto size = static_cast<double>(tiles.size_px);
  std::vector<double> shares;
  for (const auto& [x, y] : tiles.corner) {
    const auto left = static_cast<double>(x), top = static_cast<double>(y);
    const double from = within(left * across, mask.width), to = within((left + size) * across, mask.width);
    const double low = within(top * down, mask.height), high = within((top + size) * down, mask.height);
    double sum = 0;
    for (auto v = static_cast<int64_t>(low); static_cast<double>(v) < high; ++v)
      sum += sum_between(mask.row(v), from, to) * (std::min(high, static_cast<double>(v + 1)) - std::max(low, static_cast<double>(v)));
    shares.push_back(sum / (size * across * size * down));
  }
  return shares;
}

std::optional<Localization> localize(const ScoredTiles& tiles, const data::Mask& mask, data::Size slide, double share) {
  std::vector<int64_t> inside;
  for (const double s : covered_shares(tiles, mask, slide)) inside.push_back(s >= share);
  Localization r;
  r.tiles = static_cast<int64_t>(inside.size());
  r.inside = std::count(inside.begin(), inside.end(), 1);
  if (r.inside == 0 || r.inside == r.tiles) return std::nullopt;
  r.average_precision = average_precision(inside, tiles.score);
  r.auroc = auroc(inside, tiles.score);
  r.chance = static_cast<double>(r.inside) / static_cast<double>(r.tiles);
  return r;
}

}  // namespace eosin::eval
