#include "data/tile_reader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/jpeg.h"
#include "data/resize.h"
#include "data/tone.h"

namespace eosin::data {
namespace {

constexpr int64_t kAhead = 3;  // batches in the making

Channels channels(const std::vector<double>& v) { return {v[0], v[1], v[2]}; }

Image stored_as_jpeg(ImageView tile, int64_t quality) {
  std::vector<uint8_t> bytes;
  encode_jpeg(tile, static_cast<int>(quality), Subsampling::k420, bytes);
  Image again;
  decode_jpeg(bytes, again);
  return again;
}

ImageView central(ImageView tile, double zoom) {
  const auto side = [&](int64_t size) { return std::max<int64_t>(1, std::llrint(static_cast<double>(size) / zoom)); };
  const int64_t height = side(tile.height), width = side(tile.width);
  return tile.crop({(tile.height - height) / 2, (tile.width - width) / 2, height, width});
}

}  // namespace

void EvalViewConfig::visit(config::Visitor& v) {
  v("resize_px", resize_px, "the tile's shorter side is resized to this", config::Range{1, 8192});
  v("crop_px", crop_px, "edge of the central crop", config::Range{1, 8192});
  v("filter", filter, "resampling filter", config::OneOf{{"bilinear", "bicubic", "lanczos"}});
  v("grayscale", grayscale, "all three channels become the grey");
  v("jpeg_quality", jpeg_quality, "the tile is stored as a JPEG of this quality first; 0: it is not", config::Range{0, 100});
  v("zoom", zoom, "then its central 1 / zoom alone is shown", config::Range{1, 16});
  v("mean", mean, "mean of the normalisation, R G B", config::Range{0, 1}, config::Length{3, 3});
  v("std", std, "standard deviation of the normalisation, R G B", config::Range{0, 100, config::kOpenLow}, config::Length{3, 3});
}

void EvalViewConfig::validate(config::Problems& p) const {
  if (crop_px > resize_px) p.add("crop_px", fmt::format("the crop is larger than the picture (got {}, need <= resize_px {})", crop_px, resize_px));
}

void eval_view(ImageView tile, const EvalViewConfig& config, Planes out) {
  Image stored;
  if (config.jpeg_quality > 0) {
    stored = stored_as_jpeg(tile, config.jpeg_quality);
    tile = stored;
  }
  tile = central(tile, config.zoom);
  const int64_t shorter = std::min(tile.height, tile.width), longer = std::max(tile.height, tile.width);
  const int64_t scaled = static_cast<int64_t>(static_cast<double>(config.resize_px) * static_cast<double>(longer) / static_cast<double>(shorter));
  const bool wide = tile.width > tile.height;
  Image small = resize(tile, wide ? config.resize_px : scaled, wide ? scaled : config.resize_px, filter_by_name(config.filter));
  EOSIN_CHECK(small.height >= config.crop_px && small.width >= config.crop_px, Config,
              "[eval] the crop is larger than the picture (got {}, need <= {})", config.crop_px, config.resize_px);
  const auto centre = [&](int64_t size) { return std::llrint(static_cast<double>(size - config.crop_px) / 2.0); };
  const Box box{centre(small.height), centre(small.width), config.crop_px, config.crop_px};
  if (config.grayscale) grayscale(small);
  normalize(ImageView(small).crop(box), channels(config.mean), channels(config.std), out);
}

struct TileReader::Pending {
  int64_t number = 0, first = 0;
  Tensor images_BCHW;
  float* data = nullptr;
  std::vector<SampleId> ids;
  std::vector<std::string> reasons;  // empty: read
};

TileReader::TileReader(std::shared_ptr<const TileStore> store, const EvalViewConfig& view, std::vector<int64_t> indices, int64_t batch,
                       int64_t threads, double max_bad_fraction, std::shared_ptr<const StoreStain> stain)
    : store_(std::move(store)),
      view_(view),
      indices_(std::move(indices)),
      batch_(batch),
      max_bad_fraction_(max_bad_fraction),
      stain_(std::move(stain)) {
  EOSIN_CHECK(batch > 0, Config, "[tiles] the batch must be positive (got {})", batch);
  for (const int64_t i : indices_)
    EOSIN_CHECK(i >= 0 && i < static_cast<int64_t>(store_->n_tiles()), Data, "[tiles] no such tile (got {}, the store has {})", i, store_->n_tiles());
  pipeline_ = std::make_unique<SlotPipeline>(threads, [this](int64_t b, int64_t slot) { fill(b, slot); });
  for (int64_t i = 0; i < kAhead; ++i) open_next();
}

TileReader::~TileReader() = default;

void TileReader::open_next() {
  const int64_t size = std::min(batch_, static_cast<int64_t>(indices_.size()) - opened_);
  if (size <= 0) return;
  auto pending = std::make_unique<Pending>();
  pending->number = closed_ + static_cast<int64_t>(pending_.size());
  pending->first = opened_;
  pending->images_BCHW = at::empty({size, 3, view_.crop_px, view_.crop_px}, at::kFloat);
  pending->data = pending->images_BCHW.mutable_data_ptr<float>();
  pending->ids.resize(static_cast<size_t>(size));
  pending->reasons.resize(static_cast<size_t>(size));
  announce(opened_, size);
  opened_ += size;
  {
    const std::lock_guard lock(pending_mutex_);
    pending_.push_back(std::move(pending));
  }
  pipeline_->open(size);
}

void TileReader::announce(int64_t first, int64_t size) {
  std::vector<TileRange> tiles;
  for (int64_t i = first; i < first + size; ++i) tiles.push_back({static_cast<uint64_t>(indices_[static_cast<size_t>(i)]), 1});
  const StallWatch::Wait wait(watch_, store_->file(tiles.front().first));
  store_->will_read(std::move(tiles));
}

void TileReader::fill(int64_t number, int64_t slot) {
  Pending* pending;
  {
    const std::lock_guard lock(pending_mutex_);
    pending = pending_[static_cast<size_t>(number - pending_.front()->number)].get();
  }
  thread_local std::vector<uint8_t> buffer;
  thread_local Image tile;
  const auto s = static_cast<size_t>(slot);
  const auto index = static_cast<uint64_t>(indices_[static_cast<size_t>(pending->first + slot)]);
  try {
    const StallWatch::Wait wait(watch_, store_->file(index));
    const TileRow row = store_->tile(index);
    pending->ids[s] = {static_cast<int32_t>(row.slide), row.x, row.y};
    store_->read_image(index, buffer, tile);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Io) throw;
    pending->reasons[s] = e.what();
    return;
  }
  if (stain_) stain_->normalize(index, tile);
  eval_view(tile, view_, {pending->data + slot * 3 * view_.crop_px * view_.crop_px, view_.crop_px, view_.crop_px});
}

std::optional<EvalBatch> TileReader::next() {
  while (!pending_.empty()) {
    pipeline_->close_oldest();
    std::unique_ptr<Pending> done;
    {
      const std::lock_guard lock(pending_mutex_);
      done = std::move(pending_.front());
      pending_.pop_front();
    }
    ++closed_;
    open_next();
    EvalBatch batch = finish(*done);
    if (!batch.indices.empty()) return batch;
  }
  return {};
}

EvalBatch TileReader::finish(Pending& pending) {
  EvalBatch batch{pending.images_BCHW, {}, {}};
  std::vector<int64_t> good;
  for (size_t s = 0; s < pending.ids.size(); ++s) {
    const int64_t index = indices_[static_cast<size_t>(pending.first) + s];
    if (!pending.reasons[s].empty()) {
      log::warn("[tiles] tile {} left out: {}", index, pending.reasons[s]);
      unread_.push_back({index, pending.ids[s], pending.reasons[s]});
      continue;
    }
    good.push_back(static_cast<int64_t>(s));
    batch.indices.push_back(index);
    batch.ids.push_back(pending.ids[s]);
  }
  EOSIN_CHECK(
      static_cast<double>(unread_.size()) <= max_bad_fraction_ * static_cast<double>(indices_.size()), Data,
      "[tiles] too many bad tiles (got {} of {}, need at most a share of {}), the last: {}; see `eosin store verify`, or raise max_bad_fraction",
      unread_.size(), indices_.size(), max_bad_fraction_, unread_.back().reason);
  if (good.size() < pending.ids.size()) batch.images_BCHW = batch.images_BCHW.index_select(0, at::tensor(good, at::kLong));
  return batch;
}

}  // namespace eosin::data
