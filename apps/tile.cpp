#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress_line.h"
#include "core/base/run_folder.h"
#include "data/tiler.h"

#include <filesystem>
#include <optional>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

data::TileConfig read_config(const Invocation& invocation) {
  data::TileConfig config;
  config::read(invocation.source(), config, "tile");
  EOSIN_CHECK(!invocation.resume_with_changes, Config, "[tile] a store holds tiles of one kind; choose another store, or --fresh");
  data::open_stain_reference(config.stain);  // a wrong one is said before any work
  const std::string wanted = config.store;
  for (int n = 2; invocation.fresh && std::filesystem::exists(config.store); ++n) config.store = fmt::format("{}-{}", wanted, n);
  return config;
}

int dry_run(const Invocation& invocation, data::TileConfig& config) {
  const data::TilingAmounts amounts = data::measure_tiling(config);
  print_result(invocation, {{"slides", amounts.slides},
                            {"slides_readable", amounts.readable},
                            {"tiles_at_most", amounts.grid_tiles},
                            {"failures", amounts.failures},
                            {"store", config.store},
                            {"config", config::to_json(config::visit_of(config))}});
  const int64_t failed = amounts.slides - amounts.readable;
  EOSIN_CHECK(static_cast<double>(failed) <= config.max_failed_fraction * static_cast<double>(amounts.slides), Data,
              "[tile] {} of {} slides would fail (need at most a share of {}), the first: {}", failed, amounts.slides, config.max_failed_fraction,
              amounts.failures.begin()->second);
  return 0;
}

Json to_json(const data::TilingResult& r) {
  return {{"slides", r.slides},
          {"slides_ok", r.slides_ok},
          {"slides_no_tissue", r.slides_no_tissue},
          {"slides_failed", r.slides_failed},
          {"slides_skipped", r.slides_skipped},
          {"tiles", r.tiles},
          {"tiles_made", r.tiles_made},
          {"filtered", r.filtered},
          {"stain_left", r.stain_left},
          {"bytes", r.bytes},
          {"seconds", r.seconds},
          {"stage_cpu_seconds", r.stage_cpu_seconds},
          {"stores", r.stores},
          {"failures", r.failures}};
}

data::TilingResult tile_with_progress(const data::TileConfig& config) {
  std::optional<ProgressLine> line;
  return data::tile_slides(config, [&](const data::TilingProgress& p) {
    if (!line) line.emplace("tile", "slides", p.slides);
    line->update(p.slides_done, fmt::format("{} tiles, {} MB", p.tiles, p.bytes / 1'000'000));
  });
}

int tile(const Invocation& invocation, const data::TileConfig& config) {
  const data::TilingResult result = tile_with_progress(config);
  print_result(invocation, to_json(result));
  if (result.stopped) {
    log::warn("[tile] stopped on request; the same command goes on");
    return kExitStopped;
  }
  EOSIN_CHECK(!result.too_many_failed, Data,
              "[tile] too many slides failed (got {} of {}, need at most a share of {}); the reasons are in {}/slides.jsonl", result.slides_failed,
              result.slides, config.max_failed_fraction, config.records_folder());
  return 0;
}

int run(const Invocation& invocation) {
  data::TileConfig config = read_config(invocation);
  if (invocation.dry_run) return dry_run(invocation, config);
  // More slides, or more of them allowed to fail, are the same run going on.
  RunFolder folder(config.records_folder(), config::visit_of(config), "tile", {.may_change = {"slides", "store", "max_failed_fraction"}});
  return folder.record([&] { return tile(invocation, config); });
}

}  // namespace

Verb tile_verb() {
  Verb verb;
  verb.name = "tile";
  verb.usage = "tile [CONFIG.yaml] [key=value ...]";
  verb.one_line = "slides -> tissue mask -> grid -> tile store, or coordinates for other programs; a QC picture per slide";
  verb.example = "eosin tile slides=demo-cohort/cohort.csv store=demo-tiles tile.size_px=256 tile.mpp=0.5";
  verb.run = run;
  verb.make_config = make_config<data::TileConfig>();
  return verb;
}

}  // namespace eosin::apps
