#include "data/slide_tiling.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "data/jpeg.h"
#include "data/shard_layout.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr double kMostDamaged = 0.01;
constexpr int kOverviewQuality = 85;

void write_overview(const SlidePlan& plan, const std::string& folder, const std::string& id) {
  std::vector<uint8_t> bytes;
  encode_jpeg(draw_plan(plan), kOverviewQuality, Subsampling::k420, bytes);
  write_file((fs::path(folder) / "qc" / (id + ".jpg")).string(), bytes);
}

class SlideTiling final : public SlideJob {
 public:
  SlideTiling(const SlideEntry& entry, const TileConfig& config, const TilingJob& job, TilingSinks sinks)
      : entry_(entry), config_(config), job_(job), sinks_(std::move(sinks)) {
    record_.id = entry.id;
  }

  size_t start() override {
    started_ = std::chrono::steady_clock::now();
    const TileStageTimer timer(sinks_.times, TileStage::kPlan);
    try {
      plan_ = job_.plan(entry_);
      if (config_.sha256) sha256_ = sha256_file(entry_.path);
      check_slide_row(row());  // what the file says of its scanner may be too long
    } catch (const std::exception& e) {
      failure_ = e.what();
      return 0;
    }
    describe();
    write_overview(plan_, sinks_.journal.folder(), entry_.id);
    part_.emplace(sinks_.sink.begin(entry_.id));
    first_ = resume();
    return plan_.grid.tiles.size() - first_;
  }

  CutTile cut(size_t i) override { return cut_tile(plan_, config_, first_ + i, sinks_.times); }

  bool take(CutTile tile) override {
    if (!tile.dropped.empty()) return drop(tile);
    const TileStageTimer timer(sinks_.times, TileStage::kWrite);
    part_->append(tile.row, tile.stored);
    count_stain(tile.row);
    sinks_.made(1, static_cast<int64_t>(tile.stored.size()));
    return true;
  }

  void finish() override {
    const TileStageTimer timer(sinks_.times, TileStage::kWrite);
    record_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    if (failure_.empty())
      complete();
    else
      give_up();
    sinks_.done(record_);
  }

 private:
  void describe() {
    record_.mpp = plan_.scale.mpp;
    record_.mpp_source = plan_.scale.source;
    record_.warnings = plan_.scale.warnings;
    record_.level = plan_.read.level;
    record_.reader = plan_.slide->info().reader;
    record_.file_bytes = file_bytes(entry_.path);
    record_.copied = plan_.copies;
    record_.filtered["tissue"] = plan_.grid.candidates - static_cast<int64_t>(plan_.grid.tiles.size());
    if (job_.stain) record_.stain = job_.stain->description();
    if (plan_.stain) record_.stain_from = plan_.stain->estimate();
    if (plan_.stain && plan_.stain->fault()) record_.warnings.push_back(fmt::format("the slide keeps its colours: {}", name(*plan_.stain->fault())));
    for (const auto& w : record_.warnings) log::warn("[tile] {}: {}", entry_.id, w);
  }

  /// Index of the first grid tile that the part does not decide yet. The tiles between the recovered ones must be dropped again; if the
  /// part does not fit what the slide gives today, it is begun anew.
  size_t resume() {
    const auto& recovered = part_->recovered();
    const auto level0_size = static_cast<uint32_t>(plan_.grid.tile_level0);
    size_t have = 0, i = 0;
    std::map<std::string, int64_t> before = record_.filtered;
    for (; have < recovered.size() && i < plan_.grid.tiles.size(); ++i) {
      if (recovered[have].x == plan_.grid.tiles[i].x && recovered[have].y == plan_.grid.tiles[i].y && recovered[have].level0_size == level0_size) {
        ++have;
        continue;
      }
      CutTile again = cut_tile(plan_, config_, i, sinks_.times);
      if (again.dropped.empty() || !drop(again)) break;
    }
    if (have == recovered.size()) {
      for (const TileRow& row : recovered) count_stain(row);
      return i;
    }
    part_->restart();
    record_.filtered = std::move(before);
    failure_.clear();
    return 0;
  }

  void count_stain(const TileRow& row) { record_.stain_left += (row.qc & kQcStainLeft) != 0; }

  bool drop(const CutTile& tile) {
    const int64_t n = ++record_.filtered[tile.dropped];
    if (tile.dropped != "damaged") return true;
    sinks_.journal.add_failure(entry_.id, "tile", tile.message, Point{tile.row.x, tile.row.y});
    const auto most = kMostDamaged * static_cast<double>(plan_.grid.tiles.size());
    if (static_cast<double>(n) > most) failure_ = fmt::format("more than 1 % of the tiles are damaged; the last: {}", tile.message);
    return failure_.empty();
  }

  SlideRow row() const {
    const SlideInfo& info = plan_.slide->info();
    SlideRow r;
    r.id = entry_.id;
    r.path = entry_.path;
    r.sha256 = sha256_;
    r.vendor = info.vendor;
    if (config_.keep_scanner) r.scanner = info.scanner;
    r.patient = entry_.patient;
    r.site = entry_.site;
    r.stain = entry_.stain;
    r.mpp_x = plan_.scale.mpp_x;
    r.mpp_y = plan_.scale.mpp_y;
    r.magnification = static_cast<float>(info.objective.value_or(0));
    r.width = info.size().width;
    r.height = info.size().height;
    r.copied = plan_.copies;
    return r;
  }

  /// The record goes first: a slide that the sink calls complete has one.
  void complete() {
    record_.tiles = static_cast<int64_t>(part_->n_tiles());
    record_.bytes = static_cast<int64_t>(part_->bytes());
    record_.status = record_.tiles > 0 ? "ok" : "no_tissue";
    record_.reason = record_.tiles > 0 ? "" : plan_.no_tiles.empty() ? "every tile was filtered" : plan_.no_tiles;
    if (record_.tiles == 0) log::warn("[tile] slide '{}' gives no tiles: {}", entry_.id, record_.reason);
    sinks_.journal.add(record_);
    sinks_.sink.finish(std::move(*part_), row(), plan_);
  }

  void give_up() {
    record_.status = "failed";
    record_.reason = failure_;
    log::warn("[tile] slide '{}' failed: {}", entry_.id, failure_);
    sinks_.journal.add_failure(entry_.id, plan_.slide ? "tile" : "open", failure_);
    sinks_.journal.add(record_);
    part_.reset();
    sinks_.sink.skip(entry_.id);
  }

  const SlideEntry entry_;
  const TileConfig& config_;
  const TilingJob& job_;
  TilingSinks sinks_;
  std::chrono::steady_clock::time_point started_;
  SlidePlan plan_;
  std::string sha256_;
  std::optional<SlidePart> part_;
  size_t first_ = 0;
  SlideRecord record_;
  std::string failure_;
};

}  // namespace

std::unique_ptr<SlideJob> make_slide_job(const SlideEntry& entry, const TileConfig& config, const TilingJob& job, TilingSinks sinks) {
  return std::make_unique<SlideTiling>(entry, config, job, std::move(sinks));
}

}  // namespace eosin::data
