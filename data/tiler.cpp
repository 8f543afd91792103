#include "data/tiler.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/stop.h"
#include "data/slide_tiling.h"

#include <opencv2/core/utility.hpp>

#include <chrono>
#include <filesystem>
#include <mutex>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

StoreSettings store_settings(const TileConfig& config, const StainReference* stain) {
  StoreSettings s;
  const bool jpeg = config.encoding.codec == "jpeg";
  s.codec = jpeg ? Codec::kJpeg : Codec::kRaw;
  s.tile_height = s.tile_width = static_cast<uint32_t>(config.tile.size_px);
  s.overlap = static_cast<uint32_t>(config.tile.overlap_px);
  s.jpeg_quality = jpeg ? static_cast<uint32_t>(config.encoding.quality) : 0;
  s.jpeg_subsampling = jpeg ? config.encoding.subsampling : "444";
  s.target_mpp = config.tile.mpp;
  s.max_shard_bytes = static_cast<uint64_t>(config.encoding.shard_mib) << 20;
  if (stain) s.stain = stain->description();
  s.identity = tiling_identity(config, stain);
  return s;
}

int thread_count(const TileConfig& config) {
  if (config.run.threads > 0) return static_cast<int>(config.run.threads);
  return usable_cores();
}

/// One run: yields the jobs and adds up what they report.
class Tiling {
 public:
  Tiling(const TileConfig& config, std::vector<SlideEntry> slides, const std::function<void(const TilingProgress&)>& progress)
      : config_(config),
        slides_(std::move(slides)),
        progress_(progress),
        stain_(open_stain_reference(config.stain)),
        journal_(config.records_folder()) {
    fs::create_directories(fs::path(journal_.folder()) / "qc");
    for (const auto& s : slides_) ids_.push_back(s.id);
    store_ = std::make_unique<TileStoreWriter>(config.store, store_settings(config, stain_.get()), ids_);
    totals_.slides = now_.slides = static_cast<int64_t>(slides_.size());
  }

  TilingResult run() {
    const auto begin = std::chrono::steady_clock::now();
    PipelineSettings settings;
    settings.threads = thread_count(config_);
    totals_.stopped = !run_pipeline([this] { return next_job(); }, settings, [] { return stop::requested(); });
    if (!totals_.stopped) {
      const TileStageTimer timer(times_, TileStage::kWrite);
      journal_.close(ids_, [this](const std::string& id) { return store_->is_complete(id); });
      totals_.stores = store_->close();
    }
    totals_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    for (size_t k = 0; k < times_.size(); ++k) totals_.stage_cpu_seconds[kTileStageNames[k]] = static_cast<double>(times_[k]) * 1e-9;
    totals_.too_many_failed = static_cast<double>(totals_.slides_failed) > config_.max_failed_fraction * static_cast<double>(totals_.slides);
    return std::move(totals_);
  }

 private:
  std::unique_ptr<SlideJob> next_job() {
    for (; next_ < slides_.size() && store_->is_complete(slides_[next_].id); ++next_) skip(slides_[next_].id);
    if (next_ >= slides_.size()) return nullptr;
    const TilingSinks sinks{*store_, journal_, times_, [this](int64_t tiles, int64_t bytes) { made(tiles, bytes); },
                            [this](const SlideRecord& r) { done(r); }};
    return make_slide_job(slides_[next_++], config_, stain_, sinks);
  }

  /// A slide that is complete: its row as the earlier run wrote it, or as the store has it.
  void skip(const std::string& id) {
    const SlideRow row = store_->complete_slide(id);
    SlideRecord record = journal_.find(id).value_or(SlideRecord{});
    if (record.id.empty()) {
      record.id = id;
      record.mpp = (row.mpp_x + row.mpp_y) / 2;
      record.tiles = static_cast<int64_t>(row.count);
    }
    record.status = "skipped";
    record.reason = record.tiles > 0 || record.reason.empty() ? "already complete" : record.reason;
    journal_.add(record);
    const std::lock_guard lock(mutex_);
    ++totals_.slides_skipped;
    add(record);
  }

  void made(int64_t tiles, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    now_.tiles += tiles;
    now_.bytes += bytes;
    totals_.tiles_made += tiles;
    if (progress_) progress_(now_);
  }

  void done(const SlideRecord& record) {
    const std::lock_guard lock(mutex_);
    add(record);
  }

  void add(const SlideRecord& r) {
    ++now_.slides_done;
    totals_.tiles += r.tiles;
    totals_.bytes += r.bytes;
    for (const auto& [cause, n] : r.filtered) totals_.filtered[cause] += n;
    totals_.stain_left += r.stain_left;
    if (r.status == "failed") {
      ++totals_.slides_failed;
      totals_.failures[r.id] = r.reason;
    } else {
      ++(r.tiles > 0 ? totals_.slides_ok : totals_.slides_no_tissue);
    }
    if (progress_) progress_(now_);
  }

  const TileConfig& config_;
  const std::vector<SlideEntry> slides_;
  const std::function<void(const TilingProgress&)>& progress_;
  const std::shared_ptr<const StainReference> stain_;
  TileJournal journal_;
  std::unique_ptr<TileStoreWriter> store_;
  std::vector<std::string> ids_;
  size_t next_ = 0;
  TileStageTimes times_{};
  std::mutex mutex_;
  TilingProgress now_;
  TilingResult totals_;
};

}  // namespace

TilingAmounts measure_tiling(const TileConfig& config) {
  TilingAmounts amounts;
  for (const SlideEntry& entry : list_slides(config.slides)) {
    ++amounts.slides;
    try {
      const auto slide = open_slide(entry.path);
      const double mpp = resolve_scale(slide->info(), entry.mpp, config.assume_mpp).mpp;
      check_resolution(entry, mpp, config.tile);
      const TileGridConfig& t = config.tile;
      amounts.grid_tiles += make_grid(slide->info().size(), Mask(1, 1), {mpp, t.mpp, t.size_px, t.overlap_px, t.min_tissue, t.partial}).candidates;
      ++amounts.readable;
    } catch (const Error& e) {
      amounts.failures[entry.id] = e.what();
    }
  }
  return amounts;
}

TilingResult tile_slides(const TileConfig& config, const std::function<void(const TilingProgress&)>& progress) {
  cv::setNumThreads(1);  // the threads of the pipeline are the ones to keep busy
  return Tiling(config, list_slides(config.slides), progress).run();
}

}  // namespace eosin::data
