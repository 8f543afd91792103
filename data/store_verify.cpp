#include "data/store_verify.h"

#include "core/base/error.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace eosin::data {
namespace {

constexpr uint64_t kChunk = 256;

/// What the threads share: they take chunks of tiles in turn and gather what is bad.
struct Work {
  Work(const TileStore& s, bool d) : store(s), decode(d) {}

  const TileStore& store;
  const bool decode;
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::vector<DamagedTile> bad;
  std::exception_ptr failure;

  void check(uint64_t index, std::vector<uint8_t>& buffer, Image& image) {
    try {
      if (decode)
        store.read_image(index, buffer, image);
      else
        store.read(index, buffer);
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
