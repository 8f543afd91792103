#include "data/store_verify.h"

#include "core/base/error.h"
#include "core/base/parallel.h"
#include "data/jpeg.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

namespace eosin::data {
namespace {

constexpr uint64_t kChunk = 256;

/// What the threads share: they take chunks of tiles in turn and gather what is bad.
struct Work {
  Work(const TileStore& s, bool d) : store(s), decode(d) {
    for (size_t k = 0; k < s.n_shards(); ++k) firsts.insert(s.shard_first(k));
  }

  const TileStore& store;
  const bool decode;
  std::set<uint64_t> firsts;  // the first tile of every shard
  std::mutex mutex;
  std::vector<DamagedTile> bad;

  /// Decoding looks at every tile's size; without it one header a shard shows whether the file's attributes are those of its pictures.
  void check_size(uint64_t index, std::span<const uint8_t> record) const {
    const TileFormat& f = store.format();
    if (f.codec != Codec::kJpeg || !firsts.contains(index)) return;
    const JpegInfo info = read_jpeg_info(record);
    EOSIN_CHECK(info.width == f.tile_width && info.height == f.tile_height, Data, "[{}] the picture is {} x {} pixels, the store's tiles are {} x {}",
                store.describe(index), info.width, info.height, f.tile_width, f.tile_height);
  }

  void check(uint64_t index, std::vector<uint8_t>& buffer, Image& image) {
    try {
      if (decode)
        store.read_image(index, buffer, image);
      else
        check_size(index, store.read(index, buffer));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      const std::lock_guard lock(mutex);
      bad.push_back({index, e.what()});
    }
  }

  void check_chunk(uint64_t chunk) {
    std::vector<uint8_t> buffer;
    Image image;
    for (uint64_t i = chunk * kChunk; i < std::min((chunk + 1) * kChunk, store.n_tiles()); ++i) check(i, buffer, image);
  }
};

}  // namespace

std::vector<DamagedTile> verify_store(const TileStore& store, bool decode, int threads) {
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Work work(store, decode);
  parallel_for((store.n_tiles() + kChunk - 1) / kChunk, threads, [&work](size_t chunk) { work.check_chunk(chunk); });
  std::sort(work.bad.begin(), work.bad.end(), [](const DamagedTile& a, const DamagedTile& b) { return a.index < b.index; });
  return std::move(work.bad);
}

std::vector<std::string> verify_columns(const TileStore& store) {
  std::vector<std::string> bad;
  for (size_t k = 0; k < store.n_shards(); ++k)
    for (const auto& name : store.shard(k).columns()) try {
        store.shard(k).column(name);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Data) throw;
        bad.emplace_back(e.what());
      }
  return bad;
}

}  // namespace eosin::data
