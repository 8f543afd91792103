#include "data/tiler.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/stop.h"
#include "data/shard_layout.h"
#include "data/slide_tiling.h"
#include "data/tile_sink.h"

#include <opencv2/core/utility.hpp>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <mutex>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

int thread_count(const TileConfig& config) {
  if (config.run.threads > 0) return static_cast<int>(config.run.threads);
  return usable_cores();
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code absent;
  return a == b || fs::equivalent(a, b, absent) || fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
}

/// What a table says of a slide must fit the store before the first is opened.
void check_texts(const SlideEntry& slide) {
  SlideRow row;
  row.id = slide.id, row.path = slide.path, row.patient = slide.patient, row.site = slide.site, row.stain = slide.stain;
  check_slide_row(row);
}

/// One run: yields the jobs and adds up what they report.
class Tiling {
 public:
  Tiling(const TileConfig& config, const TilingJob& job, const std::function<void(const TilingProgress&)>& progress)
      : config_(config), job_(job), slides_(job.slides), progress_(progress), journal_(config.records_folder()) {
    fs::create_directories(fs::path(journal_.folder()) / "qc");
    for (const auto& s : slides_) check_texts(s), ids_.push_back(s.id);
    sink_ = make_tile_sink(config, job);
    for (const auto& s : slides_)
      if (sink_->is_complete(s.id)) check_complete(s);
    totals_.slides = now_.slides = static_cast<int64_t>(slides_.size());
  }

  TilingResult run() {
    const auto begin = std::chrono::steady_clock::now();
    PipelineSettings settings;
    settings.threads = thread_count(config_);
    totals_.stopped = !run_pipeline([this] { return next_job(); }, settings, [] { return stop::requested(); });
    if (!totals_.stopped) {
      const TileStageTimer timer(times_, TileStage::kWrite);
      journal_.close(ids_, [this](const std::string& id) { return sink_->is_complete(id); });
      totals_.stores = sink_->close();
    }
    totals_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    for (size_t k = 0; k < times_.size(); ++k) totals_.stage_cpu_seconds[kTileStageNames[k]] = static_cast<double>(times_[k]) * 1e-9;
    totals_.too_many_failed = static_cast<double>(totals_.slides_failed) > config_.max_failed_fraction * static_cast<double>(totals_.slides);
    return std::move(totals_);
  }

 private:
  std::unique_ptr<SlideJob> next_job() {
    for (; next_ < slides_.size() && sink_->is_complete(slides_[next_].id); ++next_) skip(slides_[next_].id);
    if (next_ >= slides_.size()) return nullptr;
    const TilingSinks sinks{*sink_, journal_, times_, [this](int64_t tiles, int64_t bytes) { made(tiles, bytes); },
                            [this](const SlideRecord& r) { done(r); }};
    return make_slide_job(slides_[next_++], config_, job_, sinks);
  }

  /// Tiles of another file or scale than what is asked for now are not taken for the slide's.
  void check_complete(const SlideEntry& slide) const {
    const SlideRow row = sink_->complete_slide(slide.id);
    const SlideRecord record = journal_.find(slide.id).value_or(SlideRecord{});
    const double before = row.mpp_x > 0 ? (row.mpp_x + row.mpp_y) / 2 : record.mpp;
    const char* advice = "put that back, or give store another folder";
    EOSIN_CHECK(row.path.empty() || slide.path.empty() || is_same_file(row.path, slide.path), Config,
                "[tile] slide '{}' was tiled from '{}', now its path is '{}'; {}", slide.id, row.path, slide.path, advice);
    const int64_t now = file_bytes(slide.path);
    EOSIN_CHECK(record.file_bytes == 0 || now == 0 || now == record.file_bytes, Config,
                "[tile] slide '{}' was tiled from a file of {} bytes, now '{}' has {}; {}", slide.id, record.file_bytes, slide.path, now, advice);
    EOSIN_CHECK(slide.mpp || record.mpp_source != "csv", Config, "[tile] slide '{}' was tiled with the mpp {} of a table, which now gives none; {}",
                slide.id, before, advice);
    EOSIN_CHECK(!slide.mpp || before == 0 || std::abs(*slide.mpp / before - 1) < 1e-6, Config,
                "[tile] slide '{}' was tiled with mpp {}, now it is given {}; {}", slide.id, before, *slide.mpp, advice);
  }

  /// A slide that is complete: its row as the earlier run wrote it, or as the store has it.
  void skip(const std::string& id) {
    const SlideRow row = sink_->complete_slide(id);
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
    if (record.copied) totals_.tiles_copied += record.tiles;
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
  const TilingJob& job_;
  const std::vector<SlideEntry>& slides_;
  const std::function<void(const TilingProgress&)>& progress_;
  TileJournal journal_;
  std::unique_ptr<TileSink> sink_;
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
      Tissue unknown;
      unknown.mask = Mask(1, 1);
      amounts.grid_tiles += lay_grid(config.grid, {slide->info().size(), unknown, grid_spec(config.tile, mpp)}).candidates;
      ++amounts.readable;
    } catch (const Error& e) {
      amounts.failures[entry.id] = e.what();
    }
  }
  return amounts;
}

TilingResult tile_slides(const TileConfig& config, const TilingJob& job, const std::function<void(const TilingProgress&)>& progress) {
  cv::setNumThreads(1);  // the threads of the pipeline are the ones to keep busy
  return Tiling(config, job, progress).run();
}

TilingResult tile_slides(const TileConfig& config, const std::function<void(const TilingProgress&)>& progress) {
  const auto stain = open_stain_reference(config.stain);
  const auto plan = [&](const SlideEntry& entry) { return plan_slide(entry, config, stain); };
  return tile_slides(config, {list_slides(config.slides), plan, stain, tiling_identity(config, stain.get())}, progress);
}

}  // namespace eosin::data
