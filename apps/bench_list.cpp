#include "apps/bench_list.h"

#include "apps/scratch_folder.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/tensor/device.h"
#include "data/jpeg.h"
#include "data/loader.h"
#include "data/shard_writer.h"
#include "data/store_manifest.h"
#include "data/store_source.h"
#include "data/view_presets.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint32_t kEdge = 256;
constexpr uint64_t kRecordBytes = 24'000;  // of a placeholder, for its size

data::LoaderConfig loader_config(const std::string& order) {
  data::LoaderConfig config;
  config.prefetch = 1;
  struct Keys {
    config::Choice& order;
    void visit(config::Visitor& v) { v("order", order, "-"); }
  } keys{config.order};
  config::Source source;
  source.override_with("order.name=" + order);
  if (order == "quota") source.override_with("order.temperature=0");
  config::read(source, keys);
  return config;
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// The list on disk.
class TileList {
 public:
  TileList(const ListBench& config, std::string folder) : config_(config), folder_(std::move(folder)) {
    fs::create_directories(folder_);
    for (int64_t k = 0; k < config.shards; ++k) shards_.push_back(placeholder(k));
    write();
    for (const auto& [k, tiles] : touched()) make_whole(k, tiles);
    write();
  }

 private:
  uint64_t tiles_of(int64_t k) const { return static_cast<uint64_t>(config_.tiles * (k + 1) / config_.shards - config_.tiles * k / config_.shards); }

  std::vector<data::SlideRow> slides_of(int64_t k) const {
    std::vector<data::SlideRow> slides;
    const auto n = static_cast<int64_t>(tiles_of(k));
    for (int64_t s = 0; s < config_.slides_a_shard; ++s) {
      data::SlideRow row;
      row.id = fmt::format("slide-{:06}", k * config_.slides_a_shard + s);
      row.patient = fmt::format("patient-{:06}", (k * config_.slides_a_shard + s) / 2);
      row.first = static_cast<uint64_t>(n * s / config_.slides_a_shard);
      row.count = static_cast<uint64_t>(n * (s + 1) / config_.slides_a_shard) - row.first;
      slides.push_back(std::move(row));
    }
    return slides;
  }

  std::string path(int64_t k) const { return fmt::format("{}/shard-{:05}.h5", folder_, k); }

  data::ShardEntry placeholder(int64_t k) const {
    const uint64_t bytes = tiles_of(k) * kRecordBytes;
    { const std::ofstream file(path(k)); }
    fs::resize_file(path(k), bytes);
    return {fs::path(path(k)).filename(), fmt::format("00000000-0000-4000-8000-{:012x}", k), bytes, tiles_of(k), 0, true, slides_of(k)};
  }

  /// The tiles of each shard that the batches read: those asked for and those ahead of them.
  std::map<int64_t, std::set<uint64_t>> touched() const {
    const data::StoreSource source({folder_});
    std::map<int64_t, std::set<uint64_t>> tiles;
    for (const char* name : {"uniform", "quota"}) {
      const data::TileOrder order(loader_config(name).order, source, static_cast<uint64_t>(config_.seed));
      for (const int64_t start : {int64_t{0}, config_.resume_at})
        for (int64_t p = start; p < start + 2 * config_.batch_size; ++p) {
          const uint64_t index = order.at(static_cast<uint64_t>(p));
          const auto k = static_cast<int64_t>(shard_of(index));
          tiles[k].insert(index - first_of(k));
        }
    }
    return tiles;
  }
  uint64_t first_of(int64_t k) const { return static_cast<uint64_t>(config_.tiles * k / config_.shards); }
  int64_t shard_of(uint64_t index) const {
    auto k = static_cast<int64_t>(static_cast<double>(index) / static_cast<double>(config_.tiles) * static_cast<double>(config_.shards));
    while (first_of(k) > index) --k;
    while (first_of(k + 1) <= index) ++k;
    return k;
  }

  void make_whole(int64_t k, const std::set<uint64_t>& tiles) {
    std::vector<uint8_t> record;
    data::encode_jpeg(data::Image(kEdge, kEdge), 90, data::Subsampling::k420, record);
    data::ShardIndex index;
    index.format.tile_height = index.format.tile_width = kEdge;
    index.slides = slides_of(k);
    index.tiles.resize(tiles_of(k));
    index.sizes.resize(tiles_of(k));
    for (uint32_t s = 0; s < index.slides.size(); ++s)
      for (uint64_t i = 0; i < index.slides[s].count; ++i) index.tiles[index.slides[s].first + i].slide = s;
    for (const uint64_t i : tiles) index.tiles[i].crc32c = crc32c(record), index.sizes[i] = record.size();
    data::write_shard(path(k), std::move(index), [&](data::PayloadSink& sink) {
      for (size_t i = 0; i < tiles.size(); ++i) sink.append(record);
    });
    shards_[static_cast<size_t>(k)] = data::entry_of(data::Shard(path(k)), folder_);
  }

  void write() const {
    data::TileFormat format;
    format.tile_height = format.tile_width = kEdge;
    data::write_manifest(folder_, format, shards_);
  }

  const ListBench config_;
  const std::string folder_;
  std::vector<data::ShardEntry> shards_;
};

struct Start {
  double open_seconds = 0, batch_seconds = 0, open_cpu = 0, batch_cpu = 0;
  uint64_t before_bytes = 0, open_bytes = 0, batch_bytes = 0;
};

/// A run's start: opens the list, takes the state if there is one, makes a batch.
Start start(const ListBench& c, const std::string& folder, const std::string& order, std::optional<int64_t> position) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); };
  Start result;
  ::malloc_trim(0);  // what the start before this one has left
  result.before_bytes = resident_bytes();
  const auto begin = Clock::now();
  const double cpu = cpu_seconds();
  const auto source = std::make_shared<const data::StoreSource>(std::vector<std::string>{folder});
  const int64_t threads = used_threads(c.threads);
  data::ViewLoader loader(source, data::view_preset("dinov2"), loader_config(order),
                          {.seed = static_cast<uint64_t>(c.seed), .local_batch = c.batch_size, .threads = threads});
  result.open_seconds = seconds(begin), result.open_cpu = cpu_seconds() - cpu, result.open_bytes = resident_bytes();
  if (position) {
    State state = loader.state();
    state.values["position"] = *position;
    loader.load_state(state);
  }
  const data::ViewBatch batch = loader.next();
  result.batch_seconds = seconds(begin), result.batch_cpu = cpu_seconds() - cpu, result.batch_bytes = resident_bytes();
  EOSIN_CHECK(loader.quarantine().empty(), Data, "[bench] the list's own tiles cannot be read: {}", loader.quarantine().begin()->second.reason);
  return result;
}

struct Series {
  std::vector<double> wall, cpu;
  uint64_t bytes = 0, before = 0;
  void add(double wall_seconds, double cpu_used, uint64_t held, uint64_t held_before) {
    wall.push_back(wall_seconds), cpu.push_back(cpu_used);
    bytes = std::max(bytes, held), before = std::max(before, held_before);
  }
};

Json row_of(const std::string& name, Series series) {
  std::sort(series.wall.begin(), series.wall.end());
  std::sort(series.cpu.begin(), series.cpu.end());
  return {{"name", name},
          {"wall_seconds", series.wall[series.wall.size() / 2]},
          {"lowest_seconds", series.wall.front()},
          {"highest_seconds", series.wall.back()},
          {"cpu_seconds", series.cpu[series.cpu.size() / 2]},
          {"resident_bytes", series.bytes},
          {"resident_bytes_before", series.before}};
}

}  // namespace

void ListBench::validate(config::Problems& p) const {
  if (shards > tiles / slides_a_shard) p.add("shards", "there are fewer tiles than slides");
}

Json bench_list(const ListBench& c) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() + "/list";
  log::info("[bench] making a list of {} tiles in {} shards", c.tiles, c.shards);
  { const TileList list(c, folder); }
  Json rows = Json::array();
  for (const std::string order : {"uniform", "quota"}) {
    Series open, first, resumed;
    for (int64_t r = 0; r < c.repeats; ++r) {
      const Start a = start(c, folder, order, std::nullopt), b = start(c, folder, order, c.resume_at);
      open.add(a.open_seconds, a.open_cpu, a.open_bytes, a.before_bytes);
      first.add(a.batch_seconds, a.batch_cpu, a.batch_bytes, a.before_bytes);
      resumed.add(b.batch_seconds, b.batch_cpu, b.batch_bytes, b.before_bytes);
    }
    rows.push_back(row_of(order + ": open", open));
    rows.push_back(row_of(order + ": open and first batch", first));
    rows.push_back(row_of(fmt::format("{}: open and batch at position {}", order, c.resume_at), resumed));
  }
  return rows;
}

}  // namespace eosin::apps
