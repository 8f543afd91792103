#include "data/store_merge.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/sampler.h"

#include <algorithm>
#include <map>
#include <set>

namespace eosin::data {
namespace {

struct Merger {
  std::vector<Shard> shards;
  ShardIndex index;
  std::vector<std::pair<size_t, uint64_t>> source;  // of each tile: shard and index in it
  std::map<std::string, uint32_t> slide_rows;

  void open(const std::vector<std::string>& paths);
  void join_format(const Shard& shard);
  std::vector<uint32_t> join_slides(const Shard& shard);
  void join_columns();
  void shuffle(uint64_t seed);
  void copy_payload(PayloadSink& sink, bool in_order) const;
};

void Merger::open(const std::vector<std::string>& paths) {
  EOSIN_CHECK(!paths.empty(), Config, "[store merge] no shards to merge");
  std::set<std::array<uint8_t, 16>> uuids;
  for (const auto& path : paths) {
    const Shard& shard = shards.emplace_back(path);
    EOSIN_CHECK(uuids.insert(shard.header().uuid).second, Data, "[{}] the same shard (uuid {}) is to be merged twice", path,
                uuid_text(shard.header().uuid));
    join_format(shard);
    const std::vector<uint32_t> row_of = join_slides(shard);
    for (uint64_t i = 0; i < shard.n_tiles(); ++i) {
      TileRow tile = shard.tile(i);
      tile.slide = row_of[tile.slide];
      index.tiles.push_back(tile);
      index.sizes.push_back(shard.size(i));
      source.emplace_back(shards.size() - 1, i);
    }
  }
  join_columns();
}

/// Size and codec must agree; what else differs becomes "unknown".
void Merger::join_format(const Shard& shard) {
  const TileFormat& more = shard.header();
  TileFormat& all = index.format;
  if (shards.size() == 1) {
    all = more;
    return;
  }
  EOSIN_CHECK(all.codec == more.codec && all.tile_height == more.tile_height && all.tile_width == more.tile_width, Data,
              "[{}] holds {} tiles of {} x {} pixels, the shards before it {} of {} x {}", shard.path(), name(more.codec), more.tile_width,
              more.tile_height, name(all.codec), all.tile_width, all.tile_height);
  if (all.overlap != more.overlap) all.overlap = 0;
  if (all.jpeg_quality != more.jpeg_quality) all.jpeg_quality = 0;
  if (all.jpeg_subsampling != more.jpeg_subsampling) all.jpeg_subsampling = "mixed";
  if (all.target_mpp != more.target_mpp) {
    log::warn("[store merge] [{}] has {} um/px, the shards before it {} (0: unknown); the merged store's is unknown", shard.path(), more.target_mpp,
              all.target_mpp);
    all.target_mpp = 0;
  }
  if (all.stain != more.stain) all.stain = "mixed";
  all.lossless_tile_copy = all.lossless_tile_copy && more.lossless_tile_copy;
}

/// Rows of the joined table for the shard's slides.
std::vector<uint32_t> Merger::join_slides(const Shard& shard) {
  std::vector<uint32_t> rows;
  for (const SlideRow& slide : shard.slides()) {
    const auto [at, is_new] = slide_rows.emplace(slide.id, static_cast<uint32_t>(index.slides.size()));
    if (is_new) index.slides.push_back(slide);
    const SlideRow& kept = index.slides[at->second];
    EOSIN_CHECK(kept.sha256 == slide.sha256, Data, "[{}] slide '{}' has sha256 '{}', another shard says '{}'; two slides have one id", shard.path(),
                slide.id, slide.sha256, kept.sha256);
    EOSIN_CHECK(kept.mpp_x == slide.mpp_x && kept.mpp_y == slide.mpp_y, Data,
                "[{}] slide '{}' has {} um/px, another shard says {} (0: unknown); one slide has one scale", shard.path(), slide.id, slide.mpp_x,
                kept.mpp_x);
    rows.push_back(at->second);
  }
  return rows;
}

void Merger::join_columns() {
  for (const auto& name : shards.front().columns()) {
    const auto has_it = [&](const Shard& s) { return std::find(s.columns().begin(), s.columns().end(), name) != s.columns().end(); };
    if (!std::all_of(shards.begin(), shards.end(), has_it)) {
      log::warn("[store merge] column '{}' is left out: not every shard has it", name);
      continue;
    }
    auto& joined = index.columns[name];
    for (const Shard& shard : shards) {
      auto texts = shard.column(name);
      joined.insert(joined.end(), std::make_move_iterator(texts.begin()), std::make_move_iterator(texts.end()));
    }
  }
}

void Merger::shuffle(uint64_t seed) {
  if (source.empty()) return;
  const Permutation order(source.size(), seed, 0);
  const auto apply = [&order](auto& list) {
    auto old = std::move(list);
    list.clear();
    for (size_t p = 0; p < old.size(); ++p) list.push_back(std::move(old[order(p)]));
  };
  apply(index.tiles), apply(index.sizes), apply(source);
  for (auto& [name, texts] : index.columns) apply(texts);
  index.ordered_by_slide = false;
}

void Merger::copy_payload(PayloadSink& sink, bool in_order) const {
  if (in_order) {
    for (const Shard& s : shards) sink.copy(s.descriptor(), s.payload_offset(), s.header().data_bytes, s.path());
    return;
  }
  for (const auto& [k, i] : source)
    sink.copy(shards[k].descriptor(), shards[k].payload_offset() + shards[k].offset(i), shards[k].size(i), shards[k].path());
}

}  // namespace

ShardHeader merge_shards(const std::vector<std::string>& shards, const std::string& out, std::optional<uint64_t> shuffle_seed) {
  Merger merger;
  merger.open(shards);
  if (shuffle_seed) merger.shuffle(*shuffle_seed);
  return write_shard(out, std::move(merger.index), [&](PayloadSink& sink) { merger.copy_payload(sink, !shuffle_seed); });
}

}  // namespace eosin::data
