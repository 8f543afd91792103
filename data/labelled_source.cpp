#include "data/labelled_source.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/name_order.h"
#include "core/base/sha256.h"

#include <algorithm>

namespace eosin::data {
namespace {

constexpr int32_t kLeftOut = -1;

template <class Act>
void for_each_tile(const TileRanges& tiles, const Act& act) {
  for (size_t k = 0; k < tiles.n_ranges(); ++k) {
    const TileRange range = tiles.range(k);
    for (uint64_t tile = range.first; tile < range.first + range.count; ++tile) act(tile);
  }
}

std::vector<TileGroup> known_groups(const TileSource& source, const std::string& by) {
  std::vector<TileGroup> groups = source.groups(by);
  std::erase_if(groups, [](const TileGroup& g) { return g.name == kUnknownGroup; });
  return groups;
}

std::vector<std::string> names_of(const std::vector<TileGroup>& groups) {
  std::vector<std::string> names;
  for (const TileGroup& g : groups) names.push_back(g.name);
  order_names(names);
  return names;
}

}  // namespace

void LabelConfig::visit(config::Visitor& v) {
  v("column", column, "what the tiles' classes are, for methods that learn from them: a column of the store (class), or slide, patient, site, ...");
  v("split", split, "the part of the split that is trained on, as the store's column says it (train); empty: all tiles that have a class");
  v("split_column", split_column, "the column that holds the parts");
}

void LabelConfig::validate(config::Problems& p) const {
  if (column.empty() && !split.empty()) p.add("column", "a split is chosen but no classes are; name the column that holds them");
}

LabelledSource::LabelledSource(std::shared_ptr<const TileSource> source, const LabelConfig& config)
    : source_(std::move(source)), class_of_(source_->n_tiles(), kLeftOut) {
  const std::vector<TileGroup> groups = known_groups(*source_, config.column);
  classes_.names = names_of(groups);
  EOSIN_CHECK(classes_.size() >= 2, Data, "[data.labels.column] '{}' gives the tiles {} class{} (need at least 2)", config.column, classes_.size(),
              classes_.size() == 1 ? ": " + classes_.names[0] : "es");
  for (const TileGroup& group : groups) {
    const auto at = std::find(classes_.names.begin(), classes_.names.end(), group.name) - classes_.names.begin();
    for_each_tile(group.tiles, [&](uint64_t tile) { class_of_[tile] = static_cast<int32_t>(at); });
  }
  if (!config.split.empty()) keep_part(config);

  classes_.tiles.assign(classes_.names.size(), 0);
  for (uint64_t tile = 0; tile < class_of_.size(); ++tile) {
    if (class_of_[tile] == kLeftOut) continue;
    kept_.add({tile, 1});
    ++classes_.tiles[static_cast<size_t>(class_of_[tile])];
  }
  if (kept_.size() < class_of_.size())
    log::info("[data] {} of {} tiles have no class or are of another part of the split, and are left out", class_of_.size() - kept_.size(),
              class_of_.size());
  Sha256 sha;
  sha.update(fmt::format("{}\n{}\n", source_->digest(), fmt::join(classes_.names, "\n")));
  sha.update({reinterpret_cast<const char*>(class_of_.data()), class_of_.size() * sizeof(int32_t)});
  digest_ = sha.hex();
}

void LabelledSource::keep_part(const LabelConfig& config) {
  const std::vector<TileGroup> parts = known_groups(*source_, config.split_column);
  std::vector<bool> inside(class_of_.size());
  for (const TileGroup& part : parts)
    if (part.name == config.split) for_each_tile(part.tiles, [&](uint64_t tile) { inside[tile] = true; });
  bool any = false;
  for (uint64_t tile = 0; tile < class_of_.size(); ++tile) {
    if (!inside[tile]) class_of_[tile] = kLeftOut;
    any |= class_of_[tile] != kLeftOut;
  }
  EOSIN_CHECK(any, Data, "[data.labels.split] no tile with a class has '{}' in column '{}'; it has: {}", config.split, config.split_column,
              fmt::join(names_of(parts), ", "));
}

void LabelledSource::will_read(const std::vector<TileRange>& tiles) const {
  TileRanges there;
  for (const TileRange& range : tiles)
    for (uint64_t i = range.first; i < range.first + range.count; ++i) there.add({kept_[i], 1});
  std::vector<TileRange> ranges;
  for (size_t k = 0; k < there.n_ranges(); ++k) ranges.push_back(there.range(k));
  source_->will_read(ranges);
}

std::vector<TileGroup> LabelledSource::groups(const std::string& by) const {
  std::vector<uint64_t> number(class_of_.size());  // among the tiles that are kept
  uint64_t next = 0;
  for_each_tile(kept_, [&](uint64_t tile) { number[tile] = next++; });
  std::vector<TileGroup> mine;
  for (const TileGroup& group : source_->groups(by)) {
    TileGroup part{group.name, {}};
    for_each_tile(group.tiles, [&](uint64_t tile) {
      if (class_of_[tile] != kLeftOut) part.tiles.add({number[tile], 1});
    });
    if (part.tiles.size() > 0) mine.push_back(std::move(part));
  }
  return mine;
}

}  // namespace eosin::data
