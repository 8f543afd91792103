#include "data/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/rng.h"
#include "data/view_record.h"

namespace eosin::data {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kMaxAttempts = 100;

int64_t nanoseconds_since(Clock::time_point start) { return std::chrono::nanoseconds(Clock::now() - start).count(); }

LoaderPlace checked(const LoaderPlace& p) {
  EOSIN_CHECK(p.world > 0 && p.rank >= 0 && p.rank < p.world, Config, "[loader] rank out of range (got {} of {})", p.rank, p.world);
  EOSIN_CHECK(p.local_batch > 0, Config, "[loader] the batch is empty (got {} tiles a rank, need at least 1); raise train.batch_size", p.local_batch);
  EOSIN_CHECK(p.threads > 0, Config, "[loader] at least one thread is needed (got {})", p.threads);
  return p;
}

/// Crops that keep their size (area_of=crop) must lie in a tile, at least the smallest of them.
void check_fit(const MultiCropConfig& views, const TileSource& source) {
  if (views.area_of == "tile") return;
  const Size tile = source.tile_size();
  const auto check = [&](const char* key, int64_t size_px, double scale) {
    const double least = static_cast<double>(size_px) * std::sqrt(scale);
    EOSIN_CHECK(least <= static_cast<double>(std::min(tile.height, tile.width)), Config,
                "[data.crops.{}] with area_of=crop a crop takes at least {:.0f} px of a tile of {}x{}; cut larger tiles, or lower its size", key,
                least, tile.height, tile.width);
  };
  check("global", views.global_size(), views.global[0]);
  if (views.n_local > 0) check("local", views.local_size(), views.local[0]);
}

const MultiCropConfig& renderable(const MultiCropConfig& views, const TileSource& source, const LoaderPlace& place) {
  check_fit(views, source);
  if (place.form != ViewForm::kDrawn) return views;
  EOSIN_CHECK(
      source.has_one_size(), Config,
      "[data.store] the stores differ in the size of their tiles (the least is {}x{}), of which a GPU renders one; render the views on the CPU "
      "(data.augment=cpu), or cut the stores alike",
      source.tile_size().height, source.tile_size().width);
  for (const DeviceLack& lack : device_lacks(views)) fail(ErrorKind::Config, "[{}] {}; render the views on the CPU", lack.key, lack.why);
  return views;
}

/// Undefined where the source knows no classes.
Tensor labels_of(const TileSource& source, const std::vector<int64_t>& tiles) {
  std::vector<int64_t> labels;
  for (const int64_t tile : tiles) {
    const auto label = source.label(static_cast<uint64_t>(tile));
    if (!label) return {};
    labels.push_back(*label);
  }
  return at::tensor(labels, at::kLong);
}

}  // namespace

void LoaderConfig::visit(config::Visitor& v) {
  v("order", order, "in which order tiles come (eosin list order)");
  v("prefetch", prefetch, "batches that are made ahead of the one in use", config::Range{1, 1024});
  v("max_bad_fraction", max_bad_fraction, "share of the tiles that may be unreadable before the run stops", config::Range{0, 1});
  v("stall_seconds", stall_seconds, "a read that takes longer is named in the log", config::Range{0.01, 86400});
}

/// The memory of one batch: one tensor for each run of views of equal size, views one after another. A tile's element of a view is a
/// picture, or the record from which a device renders it.
struct ViewLoader::Slab {
  struct Group {
    int64_t first_view = 0, views = 0;
    Tensor memory;
  };
  std::vector<Group> groups;
  Tensor tiles_BHWC;                                  // of drawn views
  std::vector<std::pair<uint8_t*, int64_t>> of_view;  // where each view's first tile lies, bytes of an element
  std::vector<int64_t> elements_before = {0};         // numbers of a tile in the views before

  Slab(const ViewMaker& maker, const TileSource& source, const LoaderPlace& place) {
    const auto make = [&place](std::vector<int64_t> shape, at::ScalarType type) {
      return at::empty(shape, at::TensorOptions(type).pinned_memory(place.pinned));
    };
    const bool drawn = place.form == ViewForm::kDrawn;
    if (drawn) tiles_BHWC = make({place.local_batch, source.tile_size().height, source.tile_size().width, 3}, at::kByte);
    for (int64_t v = 0, end = 0; v < maker.n_views(); v = end) {
      while (end < maker.n_views() && maker.size_px(end) == maker.size_px(v)) ++end;
      const int64_t n = (end - v) * place.local_batch, size = maker.size_px(v);
      const Tensor memory = drawn ? make({n, sizeof(kernels::ViewRecord)}, at::kByte)
                                  : make({n, 3, size, size}, place.form == ViewForm::kFloat ? at::kFloat : at::kBFloat16);
      const int64_t bytes = memory.stride(0) * memory.element_size();
      for (int64_t k = 0; k < end - v; ++k) {
        of_view.emplace_back(static_cast<uint8_t*>(memory.mutable_data_ptr()) + k * place.local_batch * bytes, bytes);
        elements_before.push_back(elements_before.back() + memory.stride(0));
      }
      groups.push_back({v, end - v, memory});
    }
  }

  template <class T>
  T* element(int64_t view, int64_t slot) const {
    const auto& [first, bytes] = of_view[static_cast<size_t>(view)];
    return reinterpret_cast<T*>(first + slot * bytes);
  }
  int64_t elements(int64_t views) const { return elements_before[static_cast<size_t>(views)]; }

  ViewBatch batch(const ViewMaker& maker) const {
    ViewBatch out;
    if (tiles_BHWC.defined()) out.drawn.emplace(DrawnViews{tiles_BHWC, {}, maker.n_undistorted()});
    std::vector<Tensor> views;
    for (const Group& g : groups) {
      if (out.drawn) {
        out.drawn->groups.push_back({recipe_of(maker.rule(g.first_view)), g.views, g.memory});
        continue;
      }
      const int64_t tiles = g.memory.size(0) / g.views;
      for (int64_t v = 0; v < g.views; ++v) views.push_back(g.memory.narrow(0, v * tiles, tiles));
    }
    if (!out.drawn) set_views(out, std::move(views), maker.n_undistorted());
    return out;
  }
  /// Whether the consumer has let go of everything.
  bool free() const {
    const auto only_ours = [](const Tensor& t) { return !t.defined() || (t.use_count() == 1 && t.storage().use_count() == 1); };
    return only_ours(tiles_BHWC) && std::all_of(groups.begin(), groups.end(), [&](const Group& g) { return only_ours(g.memory); });
  }
};

/// A batch in the making. Every slot writes its own elements.
struct ViewLoader::Pending {
  int64_t number = 0;
  uint64_t first_position = 0;
  std::shared_ptr<Slab> slab;
  std::vector<SampleId> ids;
  std::vector<int64_t> tiles;
  std::vector<std::vector<BadTile>> bad;
  std::vector<uint8_t> stain_left;
};

ViewLoader::ViewLoader(std::shared_ptr<const TileSource> source, const MultiCropConfig& views, const LoaderConfig& config, const LoaderPlace& place)
    : source_(std::move(source)),
      maker_(renderable(views, *source_, place)),
      config_(config),
      place_(checked(place)),
      order_(config.order, *source_, place.seed),
      watch_(std::chrono::duration<double>(config.stall_seconds)) {}

ViewLoader::~ViewLoader() = default;

ViewBatch ViewLoader::next() {
  if (!pipeline_) start();
  const auto before = Clock::now();
  try {
    pipeline_->close_oldest();
  } catch (...) {
    pipeline_.reset();  // a further call begins again at the same position
    throw;
  }
  wait_seconds_ += static_cast<double>(nanoseconds_since(before)) * 1e-9;
  std::unique_ptr<Pending> done;
  {
    const std::unique_lock lock(pending_mutex_);
    done = std::move(pending_.front());
    pending_.pop_front();
  }
  for (auto& found : done->bad) adopt(std::move(found));
  stain_left_ += std::count(done->stain_left.begin(), done->stain_left.end(), 1);
  position_ += static_cast<uint64_t>(place_.world * place_.local_batch);
  ViewBatch batch = done->slab->batch(maker_);
  batch.ids = std::move(done->ids);
  batch.labels_B = labels_of(*source_, done->tiles);
  batch.tiles = std::move(done->tiles);
  batch.first_position = static_cast<int64_t>(done->first_position);
  done.reset();
  open_next();
  return batch;
}

void ViewLoader::start() {
  pending_.clear();
  opened_ = 0;
  ahead_ = std::make_unique<ReadAhead>(*source_, order_, watch_, static_cast<uint64_t>(place_.rank), static_cast<uint64_t>(place_.world));
  pipeline_ = std::make_unique<SlotPipeline>(place_.threads, [this](int64_t batch, int64_t slot) { fill(batch, slot); });
  for (int64_t i = 0; i < config_.prefetch; ++i) open_next();
}

void ViewLoader::open_next() {
  auto pending = std::make_unique<Pending>();
  const auto batch = static_cast<uint64_t>(place_.local_batch);
  pending->number = opened_++;
  pending->first_position =
      position_ + sample_position(pending_.size(), static_cast<uint64_t>(place_.rank), static_cast<uint64_t>(place_.world), batch, 0);
  pending->slab = free_slab();
  pending->ids.resize(batch);
  pending->tiles.resize(batch);
  pending->bad.resize(batch);
  pending->stain_left.resize(batch);
  ahead_->announce(pending->first_position, batch);
  {
    const std::unique_lock lock(pending_mutex_);
    pending_.push_back(std::move(pending));
  }
  pipeline_->open(place_.local_batch);
}

/// Fresh memory for every batch would cost a page fault for every 4 kB of it. Pinned memory is not kept here: a copy to the device may
/// still read it, which torch's pinned allocator knows and we do not.
std::shared_ptr<ViewLoader::Slab> ViewLoader::free_slab() {
  if (place_.pinned) return std::make_shared<Slab>(maker_, *source_, place_);
  for (const auto& s : slabs_)
    if (s.use_count() == 1 && s->free()) return s;
  slabs_.push_back(std::make_shared<Slab>(maker_, *source_, place_));
  return slabs_.back();
}

void ViewLoader::read(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& tile, SampleId& id) {
  const StallWatch::Wait wait(watch_, source_->file(draw.index));
  id = source_->id(draw);
  source_->read_image(draw, buffer, tile);
}

void ViewLoader::fill(int64_t number, int64_t slot) {
  Pending* pending;
  {
    const std::shared_lock lock(pending_mutex_);
    pending = pending_[static_cast<size_t>(number - pending_.front()->number)].get();
  }
  thread_local std::vector<uint8_t> buffer;
  thread_local Image tile;
  const auto s = static_cast<size_t>(slot);
  const uint64_t position = pending->first_position + static_cast<uint64_t>(slot);
  for (uint64_t attempt = 0;; ++attempt) {
    EOSIN_CHECK(attempt < kMaxAttempts, Data, "[loader] {} tiles in a row could not be read, the last: {}", kMaxAttempts,
                pending->bad[s].empty() ? "known from before" : pending->bad[s].back().reason);
    const TileDraw draw{attempt == 0 ? order_.at(position) : order_.replacement(position, attempt), position};
    {
      const std::shared_lock lock(quarantine_mutex_);
      if (quarantine_.contains(draw.index)) continue;
    }
    SampleId id;
    const auto before = Clock::now();
    try {
      read(draw, buffer, tile, id);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Io) throw;
      pending->bad[s].push_back({draw.index, id, e.what()});
      continue;
    }
    const auto decoded = Clock::now();
    read_ns_ += std::chrono::nanoseconds(decoded - before).count();
    pending->stain_left[s] = render(tile, *pending->slab, position, slot);
    view_ns_ += nanoseconds_since(decoded);
    ++tiles_;
    pending->ids[s] = id;
    pending->tiles[s] = static_cast<int64_t>(draw.index);
    return;
  }
}

/// Writes one tile's share of the slab; whether a view was left without the stain augmentation drawn for it.
bool ViewLoader::render(const Image& tile, const Slab& slab, uint64_t position, int64_t slot) const {
  thread_local std::vector<float*> out;
  thread_local std::vector<float> floats;
  out.clear();
  switch (place_.form) {
    case ViewForm::kDrawn:
      std::copy(tile.rgb.begin(), tile.rgb.end(), slab.tiles_BHWC.mutable_data_ptr<uint8_t>() + slot * std::ssize(tile.rgb));
      for (int64_t v = 0; v < maker_.n_views(); ++v)
        *slab.element<kernels::ViewRecord>(v, slot) = record_of(maker_.draw(tile.height, tile.width, place_.seed, position, v));
      return false;
    case ViewForm::kFloat:
      for (int64_t v = 0; v < maker_.n_views(); ++v) out.push_back(slab.element<float>(v, slot));
      return maker_.make(tile, place_.seed, position, out).has_value();
    case ViewForm::kBfloat16:
      break;
  }
  floats.resize(static_cast<size_t>(slab.elements(maker_.n_views())));
  for (int64_t v = 0; v < maker_.n_views(); ++v) out.push_back(floats.data() + slab.elements(v));
  const bool left = maker_.make(tile, place_.seed, position, out).has_value();
  for (int64_t v = 0; v < maker_.n_views(); ++v) {
    auto* to = slab.element<uint16_t>(v, slot);
    const float* from = out[static_cast<size_t>(v)];
    for (int64_t i = 0, n = slab.elements(v + 1) - slab.elements(v); i < n; ++i) kernels::store(to + i, from[i]);
  }
  return left;
}

/// Failures count when their batch is consumed, so that when a run stops does not depend on how far its threads were ahead.
void ViewLoader::adopt(std::vector<BadTile> found) {
  for (BadTile& bad : found) {
    const std::unique_lock lock(quarantine_mutex_);
    const auto [it, is_new] = quarantine_.try_emplace(bad.index, std::move(bad));
    if (is_new) log::warn("[loader] tile {} replaced by another ({} bad so far): {}", it->first, quarantine_.size(), it->second.reason);
  }
  const double fraction = static_cast<double>(quarantine_.size()) / static_cast<double>(source_->n_tiles());
  EOSIN_CHECK(fraction <= config_.max_bad_fraction, Data,
              "[loader] too many bad tiles (got {} of {}, need at most a share of {}), the last: {}; see `eosin store verify`, or raise "
              "max_bad_fraction",
              quarantine_.size(), source_->n_tiles(), config_.max_bad_fraction, quarantine_.empty() ? "" : quarantine_.rbegin()->second.reason);
}

State ViewLoader::state() {
  State state;
  state.values["position"] = position_;
  state.values["seed"] = place_.seed;
  state.values["store"] = source_->digest();
  state.values["order"] = order_.digest();
  state.values["quarantine"] = nlohmann::json::array();
  for (const auto& [index, bad] : quarantine_) state.values["quarantine"].push_back(index);
  return state;
}

void ViewLoader::load_state(const State& state) {
  const auto& v = state.values;
  EOSIN_CHECK(v.contains("position") && v.contains("seed") && v.contains("store") && v.contains("quarantine"), Data,
              "[loader] the state lacks position, seed, store or quarantine");
  const auto seed = v.at("seed").get<uint64_t>();
  const auto store = v.at("store").get<std::string>();
  EOSIN_CHECK(seed == place_.seed, Data, "[loader] the state belongs to another seed (got {}, need {})", seed, place_.seed);
  EOSIN_CHECK(store == source_->digest(), Data,
              "[loader] the state belongs to other tiles (got digest {}, need {}); train on those it was begun with", store, source_->digest());
  if (const auto order = v.value("order", order_.digest()); order != order_.digest())
    log::warn("[loader] the order is not that of the state (got {}, now {}); it goes on at the same position of the new one", order, order_.digest());
  pipeline_.reset();
  ahead_.reset();
  pending_.clear();
  position_ = v.at("position").get<uint64_t>();
  quarantine_.clear();
  for (const uint64_t index : v.at("quarantine")) {
    EOSIN_CHECK(index < source_->n_tiles(), Data, "[loader] the state quarantines tile {} of {}", index, source_->n_tiles());
    quarantine_[index] = {index, {}, {}};
  }
}

LoaderCounters ViewLoader::counters() const {
  return {.tiles = tiles_,
          .read_seconds = static_cast<double>(read_ns_) * 1e-9,
          .view_seconds = static_cast<double>(view_ns_) * 1e-9,
          .idle_seconds = pipeline_ ? pipeline_->idle_seconds() : 0,
          .stain_left = stain_left_,
          .wait_seconds = wait_seconds_};
}

}  // namespace eosin::data
