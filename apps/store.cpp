// `eosin store`: look into tile stores, check, join, take out and bring in pictures.
#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress_line.h"
#include "data/image_import.h"
#include "data/stain_fit.h"
#include "data/store_export.h"
#include "data/store_manifest.h"
#include "data/store_merge.h"
#include "data/store_verify.h"

#include <filesystem>
#include <optional>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ThreadsConfig {
  int64_t threads = 0;
  void visit(config::Visitor& v) { v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096}); }
};

struct NoConfig {
  void visit(config::Visitor&) {}
};
struct VerifyConfig {
  ThreadsConfig run;
  void visit(config::Visitor& v) { v("run", run, "threads of the check"); }
};
struct MergeConfig {
  std::string out;
  std::optional<int64_t> shuffle_seed;
  void visit(config::Visitor& v) {
    v("out", out, "the new shard (NAME.h5), or the folder of a new store");
    v("shuffle_seed", shuffle_seed, "puts the tiles in a random order of that seed, so that reading in order is reading at random",
      config::Range{0, 9.2e18});
  }
  void validate(config::Problems& p) const {
    if (out.empty()) p.add("out", "need the new shard or store");
  }
};
struct ExportConfig {
  std::string out;
  std::string format = "jpeg";
  int64_t shard_tiles = 10'000;
  int64_t shard_mib = 1024;
  void visit(config::Visitor& v) {
    v("out", out, "new folder");
    v("format", format,
      "jpeg, png: a picture file a tile, and tiles.csv; webdataset: tars of pictures and JSON (PNG where the store holds raw pixels)",
      config::OneOf{{"jpeg", "png", "webdataset"}});
    v("shard_tiles", shard_tiles, "most tiles of a tar", config::Range{1, 1e9});
    v("shard_mib", shard_mib, "a tar is closed by the tile that reaches this size", config::Range{1, 1e6});
  }
  void validate(config::Problems& p) const {
    if (out.empty()) p.add("out", "need a folder");
  }
};

template <class Config>
Config read_config(const Invocation& in) {
  Config config;
  config::read(in.settings(), config);
  return config;
}

std::string one_path(const Invocation& in, const char* action) {
  EOSIN_CHECK(in.words.size() == 1, Config, "[store {0}] need one path (got {1}): eosin store {0} PATH", action, in.words.size());
  return in.words[0];
}

Json tile_size(const data::TileFormat& f) {
  if (f.tile_height == f.tile_width) return f.tile_height;
  return {f.tile_height, f.tile_width};
}

/// A store writes 0 where the scale is unknown.
Json known(double mpp) { return mpp > 0 ? Json(mpp) : Json(nullptr); }

Json describe_slides(const data::TileStore& store) {
  Json rows = Json::array();
  for (const auto& s : store.slides())
    rows.push_back({{"id", s.id}, {"tiles", s.count}, {"mpp", known(s.mpp_x)}, {"patient", s.patient}, {"vendor", s.vendor}, {"path", s.path}});
  return rows;
}

int info(const Invocation& in) {
  const std::string path = one_path(in, "info");
  read_config<NoConfig>(in);
  const data::TileStore store(path);
  const data::TileFormat& f = store.format();
  const data::ShardHeader& header = store.shard(0).header();
  uint64_t bytes = 0;
  for (size_t k = 0; k < store.n_shards(); ++k) bytes += store.shard(k).file_bytes();
  const Json slides = describe_slides(store);
  Json result = {{"tiles", store.n_tiles()},
                 {"slides", store.slides().size()},
                 {"tile_size_px", tile_size(f)},
                 {"mpp", known(f.target_mpp)},
                 {"format_version", fmt::format("1.{}", header.format_minor)},
                 {"complete", true},
                 {"codec", data::name(f.codec)},
                 {"jpeg_quality", f.jpeg_quality},
                 {"jpeg_subsampling", f.jpeg_subsampling},
                 {"lossless_tile_copy", f.lossless_tile_copy},
                 {"stain", f.stain},
                 {"overlap_px", f.overlap},
                 {"shards", store.n_shards()},
                 {"bytes", bytes},
                 {"columns", store.columns()},
                 {"created_utc", header.created_utc},
                 {"writer", header.writer},
                 {"digest", store.digest()}};
  if (in.json) result["slide_table"] = slides;
  print_result(in, result);
  if (!in.json)
    for (const auto& s : slides)
      fmt::print("  {}  {} tiles  {} um/px{}\n", s["id"].get<std::string>(), s["tiles"].get<uint64_t>(),
                 s["mpp"].is_null() ? "unknown" : s["mpp"].dump(), s["patient"] == "" ? "" : "  patient " + s["patient"].get<std::string>());
  return 0;
}

int verify(const Invocation& in) {
  const std::string path = one_path(in, "verify");
  const VerifyConfig config = read_config<VerifyConfig>(in);
  const data::TileStore store(path);
  const auto bad = data::verify_store(store, in.has_flag("--decode"), static_cast<int>(config.run.threads));
  store.slides();  // opens and checks every shard, those without tiles too
  const auto bad_columns = data::verify_columns(store);
  Json list = Json::array();
  for (const auto& tile : bad) list.push_back({{"tile", tile.index}, {"reason", tile.reason}});
  print_result(in, {{"tiles", store.n_tiles()},
                    {"bad", bad.size()},
                    {"complete", true},
                    {"decoded", in.has_flag("--decode")},
                    {"bad_tiles", list},
                    {"bad_columns", bad_columns}});
  EOSIN_CHECK(bad.empty(), Data, "[store verify] {} of {} tiles are bad; the first: {}", bad.size(), store.n_tiles(), bad[0].reason);
  EOSIN_CHECK(bad_columns.empty(), Data, "[store verify] {} columns are bad; the first: {}", bad_columns.size(), bad_columns[0]);
  return 0;
}

int merge(const Invocation& in) {
  EOSIN_CHECK(!in.words.empty(), Config, "[store merge] need what to merge: eosin store merge PATH... out=NEW");
  const MergeConfig config = read_config<MergeConfig>(in);
  std::vector<std::string> shards;
  for (const std::string& path : in.words) {
    const data::TileStore store(path);
    for (size_t k = 0; k < store.n_shards(); ++k) shards.push_back(store.shard(k).path());
  }
  const bool one_file = fs::path(config.out).extension() == ".h5";
  const std::string out = one_file ? config.out : (fs::path(config.out) / "shard-00000.h5").string();
  EOSIN_CHECK(!fs::exists(out), Config, "[store merge] {} exists; give another name", out);
  if (in.dry_run) return print_result(in, {{"shards_merged", shards.size()}, {"path", out}}), 0;
  if (!one_file) fs::create_directories(config.out);
  const data::ShardHeader header =
      data::merge_shards(shards, out, config.shuffle_seed ? std::optional(static_cast<uint64_t>(*config.shuffle_seed)) : std::nullopt);
  if (!one_file) data::write_manifest(config.out, header, {data::entry_of(data::Shard(out), config.out)});
  print_result(
      in, {{"tiles", header.n_tiles}, {"slides", header.n_slides}, {"shards_merged", shards.size()}, {"bytes", fs::file_size(out)}, {"path", out}});
  return 0;
}

int export_pictures(const Invocation& in) {
  const std::string path = one_path(in, "export");
  const ExportConfig config = read_config<ExportConfig>(in);
  const data::TileStore store(path);
  Json result = {{"tiles", store.n_tiles()}, {"path", config.out}};
  if (in.dry_run) return print_result(in, result), 0;
  ProgressLine line("store export", "tiles", static_cast<int64_t>(store.n_tiles()));
  const auto progress = [&](int64_t done) { line.update(done); };
  if (config.format == "webdataset") {
    const auto format = store.format().codec == data::Codec::kRaw ? data::PictureFormat::kPng : data::PictureFormat::kJpeg;
    result["tars"] = data::export_webdataset(store, config.out, format, {config.shard_tiles, config.shard_mib << 20}, progress);
  } else {
    data::export_tiles(store, config.out, config.format == "png" ? data::PictureFormat::kPng : data::PictureFormat::kJpeg, progress);
    result["table"] = (fs::path(config.out) / "tiles.csv").string();
  }
  print_result(in, result);
  return 0;
}

int dry_run(const Invocation& in, const std::string& path, data::ImportConfig config) {
  const data::ImportAmounts amounts = data::measure_import(path, config);
  print_result(in, {{"format", amounts.format},
                    {"pictures", amounts.pictures},
                    {"slides", amounts.slides},
                    {"columns", amounts.columns},
                    {"failures", amounts.failures},
                    {"config", config::to_json(config::visit_of(config))}});
  return 0;
}

int import_pictures(const Invocation& in) {
  const std::string path = one_path(in, "import");
  const auto config = read_config<data::ImportConfig>(in);
  if (in.dry_run) return dry_run(in, path, config);
  std::optional<ProgressLine> line;
  const data::ImportResult r = data::import_images(path, config, [&](int64_t done, int64_t total) {
    if (!line) line.emplace("store import", config.slides.empty() ? "pictures" : "slides", total);
    line->update(done);
  });
  line.reset();
  print_result(in, {{"tiles", r.tiles},
                    {"slides", r.slides},
                    {"copied", r.copied},
                    {"encoded", r.encoded},
                    {"resized", r.resized},
                    {"bad", r.bad},
                    {"failures", r.failures},
                    {"stores", r.shards}});
  if (!r.stopped) return 0;
  log::warn("[store import] stopped on request; the same command goes on");
  return kExitStopped;
}

int stain_fit(const Invocation& in) {
  const std::string path = one_path(in, "stain-fit");
  const auto config = read_config<data::StainFitConfig>(in);
  std::optional<ProgressLine> line;
  data::StainFit fit = data::fit_stains(path, config, [&](int64_t done, int64_t total) {
    if (!line) line.emplace("store stain-fit", "tiles", total);
    line->update(done);
  });
  line.reset();
  data::write_stain_profile(fit.profile, config.out);
  Json faults = Json::object(), cohorts = Json::array();
  for (const auto& [method, fault] : fit.faults) faults[method] = data::name(fault);
  for (data::ColorCohort& cohort : fit.cohorts) cohorts.push_back(config::to_json(config::visit_of(cohort)));
  print_result(in, {{"path", config.out},
                    {"tiles", fit.tiles},
                    {"tiles_unread", fit.tiles_unread},
                    {"faults", faults},
                    {"reference", config::to_json(config::visit_of(fit.profile))},
                    {"randstainna", cohorts}});
  return 0;
}

}  // namespace

Verb store_verb() {
  Verb verb;
  verb.name = "store";
  verb.usage = "store info|verify|merge|export|import|stain-fit PATH... [key=value ...]";
  verb.one_line = "looks into tile stores, checks every record, merges shards, exports and imports pictures and coordinates, fits stain references";
  verb.example = "eosin store import patches/manifest.csv images=patches/images out=patches-store";
  verb.actions = {
      {"info", "store info PATH", "what a store holds, a line a slide", "eosin store info tiles", {}, info, nullptr},
      {"verify",
       "store verify PATH [--decode] [run.threads=N]",
       "reads every record and column and names those that are damaged",
       "eosin store verify tiles --decode",
       {"--decode decodes every tile as well"},
       verify,
       make_config<VerifyConfig>()},
      {"merge",
       "store merge PATH... out=NEW [shuffle_seed=N]",
       "stores and shards into one",
       "eosin store merge tiles-a tiles-b out=tiles",
       {},
       merge,
       make_config<MergeConfig>()},
      {"export",
       "store export PATH out=FOLDER [format=jpeg|png|webdataset] [key=value ...]",
       "tiles as picture files or WebDataset tars",
       "eosin store export tiles out=pictures format=png",
       {},
       export_pictures,
       make_config<ExportConfig>()},
      {"import",
       "store import PATH out=STORE [key=value ...]",
       "pictures or coordinates of other programs into a store; eosin list import names what it takes",
       "eosin store import patches/manifest.csv images=patches/images out=patches-store",
       {},
       import_pictures,
       make_config<data::ImportConfig>()},
      {"stain-fit",
       "store stain-fit PATH out=FILE.yaml [key=value ...]",
       "a stain reference from a store, or from one picture",
       "eosin store stain-fit tiles out=reference.yaml",
       {},
       stain_fit,
       make_config<data::StainFitConfig>()},
  };
  return verb;
}

}  // namespace eosin::apps
