// `eosin bench`: timed pieces, each beside the Python stack's figure of the same run (--peer).
#include "apps/bench_list.h"
#include "apps/bench_loss.h"
#include "apps/bench_mil.h"
#include "apps/bench_step.h"
#include "apps/figure.h"
#include "apps/scratch_folder.h"
#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/machine.h"
#include "core/base/rng.h"
#include "core/base/run_config.h"
#include "data/loader.h"
#include "data/store_source.h"
#include "data/tiler.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;
using Cases = std::vector<std::function<Figure()>>;

struct BenchDataConfig {
  std::string store = "tiles";
  data::LoaderConfig loader;
  void visit(config::Visitor& v) {
    v("store", store, "tile store");
    v("loader", loader, "order and prefetch");
  }
};

// ------------------------------------------------------------------------------------------------ loader
struct LoaderBench {
  BenchDataConfig data;
  std::string views = "dinov2";
  int64_t images = 1000, batch_size = 32, repeats = 3;
  BenchRunConfig run;
  void visit(config::Visitor& v) {
    v("data", data, "where the tiles come from");
    v("views", views, "a preset of views: dino, dinov2, supervised, ... (eosin list views)");
    v("images", images, "tiles a repeat", config::Range{1, 1e9});
    v("batch_size", batch_size, "tiles a batch", config::Range{1, 65536});
    v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
    v("run", run, "threads and seed");
  }
};

Cases loader_cases(const LoaderBench& c, bool peers) {
  const auto views = data::view_preset(c.views);
  const auto store = std::make_shared<const data::StoreSource>(std::vector<std::string>{c.data.store});
  Cases cases = {[=] {
    return timed("eosin", [&] {
      data::ViewLoader loader(store, views, c.data.loader,
                              {.seed = static_cast<uint64_t>(c.run.seed), .local_batch = c.batch_size, .threads = c.run.used_threads()});
      for (int64_t done = 0; done < c.images; done += c.batch_size) loader.next();
      return loader.counters().tiles;  // those ahead of the last batch took time too
    });
  }};
  if (!peers) return cases;
  for (const int64_t workers : {int64_t{0}, c.run.used_threads()})
    for (const char* variant : {"pil", "v2"})
      cases.push_back([=] {
        return run_peer("loader.py", {"--variant", variant, "--store", c.data.store, "--views", view_keys(views).dump(), "--images",
                                      std::to_string(std::max<int64_t>(1, c.images / 10)), "--workers", std::to_string(workers), "--batch",
                                      std::to_string(c.batch_size)});
      });
  return cases;
}

// ------------------------------------------------------------------------------------------------ store
struct StoreOnlyConfig {
  std::string store = "tiles";
  void visit(config::Visitor& v) { v("store", store, "tile store"); }
};

struct StoreBench {
  StoreOnlyConfig data;
  int64_t records = 100000, repeats = 5;
  int64_t seed = 0;
  void visit(config::Visitor& v) {
    v("data", data, "where the tiles come from");
    v("records", records, "records a repeat, in random order, one thread, checksums off and on", config::Range{1, 1e9});
    v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
    v("seed", seed, "seed of the order", config::Range{0, 9.2e18});
  }
};

/// Where a record lies, for whom reading costs nothing but the read.
struct BareRecord {
  int descriptor;
  off_t offset;
  size_t size;
};

BareRecord bare_record(const data::TileStore& store, uint64_t index) {
  size_t k = 0;
  while (k + 1 < store.n_shards() && store.shard_first(k + 1) <= index) ++k;
  const data::Shard& shard = store.shard(k);
  const uint64_t i = index - store.shard_first(k);
  return {shard.descriptor(), static_cast<off_t>(shard.payload_offset() + shard.offset(i)), shard.size(i)};
}

int64_t read_bare(const std::vector<BareRecord>& records) {
  size_t longest = 0;
  for (const BareRecord& r : records) longest = std::max(longest, r.size);
  std::vector<uint8_t> buffer(longest);
  for (const BareRecord& r : records)
    EOSIN_CHECK(::pread(r.descriptor, buffer.data(), r.size, r.offset) == static_cast<ssize_t>(r.size), Io, "[bench] a record cannot be read");
  return static_cast<int64_t>(records.size());
}

Cases store_cases(const StoreBench& c, bool peers) {
  const auto store = std::make_shared<const data::TileStore>(c.data.store);
  EOSIN_CHECK(store->n_tiles() > 0, Data, "[bench] the tile store {} is empty", c.data.store);
  const auto order = std::make_shared<std::vector<uint64_t>>();
  const auto places = std::make_shared<std::vector<BareRecord>>();
  RandomStream random(static_cast<uint64_t>(c.seed), 0, 0, RandomOp::kSubset);
  for (int64_t i = 0; i < c.records; ++i) {
    order->push_back(random.below(static_cast<uint32_t>(store->n_tiles())));
    places->push_back(bare_record(*store, order->back()));
  }
  read_bare(*places);  // warm
  const auto read_all = [=](auto read) {
    std::vector<uint8_t> buffer;
    for (const uint64_t index : *order) ((*store).*read)(index, buffer);
    return c.records;
  };
  Cases cases = {[=] { return timed("eosin, checksum off", [&] { return read_all(&data::TileStore::read_unchecked); }); },
                 [=] { return timed("eosin, checksum on", [&] { return read_all(&data::TileStore::read); }); },
                 [=] { return timed("bare pread loop", [&] { return read_bare(*places); }); }};
  if (peers) cases.push_back([=] { return run_peer("store.py", {"--store", c.data.store, "--records", std::to_string(c.records)}); });
  return cases;
}

// ------------------------------------------------------------------------------------------------ tile
struct TileBench {
  data::TileConfig tiling;
  int64_t repeats = 3;
  BenchThreads run;
  void visit(config::Visitor& v) {
    v("slides", tiling.slides, "slides, as `eosin tile` takes them");
    v("tile", tiling.tile, "size and grid of the tiles");
    v("tissue", tiling.tissue, "where the tissue is");
    v("encoding", tiling.encoding, "how tiles are stored");
    v("assume_mpp", tiling.assume_mpp, "micrometres a pixel of slides that do not say", config::Range{0.02, 50});
    v("repeats", repeats, "repeats, each into an empty store; the median is reported", config::Range{1, 1000});
    v("run", run, "threads");
  }
};

Cases tile_cases(const TileBench& c, bool peers) {
  const auto scratch = std::make_shared<ScratchFolder>();
  data::TileConfig tiling = c.tiling;
  tiling.store = scratch->store();
  tiling.run.threads = c.run.threads;
  Cases cases = {[=] {
    std::filesystem::remove_all(tiling.store);
    return timed("eosin", [&] {
      const data::TilingResult made = data::tile_slides(tiling);
      for (const auto& [slide, reason] : made.failures) fail(ErrorKind::Data, "[bench] slide '{}' failed: {}", slide, reason);
      return made.tiles_made;
    });
  }};
  if (peers)
    cases.push_back([=] { return run_peer("tile.py", {"--store", scratch->store(), "--quality", std::to_string(tiling.encoding.quality)}); });
  return cases;
}

// ------------------------------------------------------------------------------------------------ the verb
/// Prints the config and, unless that is all that was asked for, the machine and what `rows` measures.
template <class Config>
int measure(const Invocation& in, const std::string& name, const std::function<Json(const Config&)>& rows) {
  Config c;
  config::read(in.source(), c, "bench " + name);
  Json result = {{"config", config::to_json(config::visit_of(c))}};
  if (!in.dry_run) result = {{"machine", machine()}, {"config", result["config"]}, {"rows", rows(c)}};
  print_result(in, result);
  return 0;
}

const char* const kPeer = "--peer also runs the Python side, in turns, and prints the ratio";

/// A bench whose cases are repeated in turn.
template <class Config>
Verb bench(const std::string& name, const std::string& one_line, const std::string& keys, Cases (*make)(const Config&, bool)) {
  const auto run = [name, make](const Invocation& in) {
    return measure<Config>(in, name, [&](const Config& c) { return compare(make(c, in.has_flag("--peer")), c.repeats); });
  };
  return {name,
          fmt::format("bench {} [CONFIG.yaml] [key=value ...] [--peer]", name),
          one_line,
          fmt::format("eosin bench {} {} --peer", name, keys),
          {kPeer},
          run,
          make_config<Config>()};
}

int run_list(const Invocation& in) { return measure<ListBench>(in, "list", bench_list); }

}  // namespace

Verb bench_verb() {
  Verb verb;
  verb.name = "bench";
  verb.usage = "bench loader|store|list|tile|step|loss|mil [CONFIG.yaml] [key=value ...] [--peer]";
  verb.one_line = "timed pieces; --peer runs the Python side too";
  verb.example = "eosin bench loader data.store=tiles views=dinov2 --peer";
  verb.actions = {
      bench("loader", "images from a store to augmented views", "data.store=tiles views=dinov2", loader_cases),
      bench("store", "records of a store in random order, beside a bare read", "data.store=tiles", store_cases),
      {"list",
       "bench list [CONFIG.yaml] [key=value ...]",
       "opening a list of very many tiles, its first batch, and one far on",
       "eosin bench list",
       {},
       run_list,
       make_config<ListBench>()},
      bench("tile", "slides to tiles in a store", "slides=slide.svs tile.mpp=0.5", tile_cases),
      bench("step", "the training step of a method and an encoder", "method.name=dino model.name=vit_small", step_cases),
      bench("loss", "the loss over prototypes: time and memory", "rows=1024 n_prototypes=131072", loss_cases),
      bench("mil", "many attention models in one pass over the bags", "models=24 bags=40", mil_cases),
  };
  return verb;
}

}  // namespace eosin::apps
