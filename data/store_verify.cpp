#include "data/store_verify.h"

#include "core/base/error.h"
#include "data/jpeg.h"

#include <algorithm>
#include <atomic>
#include <exception>
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
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::vector<DamagedTile> bad;
  std::exception_ptr failure;

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

  void run() {
    try {
      std::vector<uint8_t> buffer;
      Image image;
      for (uint64_t first; (first = next.fetch_add(kChunk)) < store.n_tiles();)
        for (uint64_t i = first; i < std::min(first + kChunk, store.n_tiles()); ++i) check(i, buffer, image);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = store.n_tiles();
    }
  }
};

}  // namespace

std::vector<DamagedTile> verify_store(const TileStore& store, bool decode, int threads) {
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Work work(store, decode);
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back([&work] { work.run(); });
  work.run();
  for (auto& thread : pool) thread.join();
  if (work.failure) std::rethrow_exception(work.failure);
  std::sort(work.bad.begin(), work.bad.end(), [](const DamagedTile& a, const DamagedTile& b) { return a.index < b.index; });
  return std::move(work.bad);
}

}  // namespace eosin::data
