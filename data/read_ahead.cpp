#include "data/read_ahead.h"

#include <algorithm>

namespace eosin::data {
namespace {

constexpr size_t kMostWaiting = 64;  // batches; behind a disk that does not answer, older announcements are of no use

}  // namespace

ReadAhead::ReadAhead(const TileSource& source, const TileOrder& order, StallWatch& watch, uint64_t rank, uint64_t world)
    : source_(source), order_(order), watch_(watch), rank_(rank), world_(world) {
  thread_.add([this] { run(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

void ReadAhead::announce(uint64_t first, uint64_t count) {
  {
    const std::lock_guard lock(mutex_);
    batches_.push_back({first, count});
    if (batches_.size() > kMostWaiting) batches_.pop_front();
  }
  changed_.notify_all();
}

void ReadAhead::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !batches_.empty(); });
    if (stopping_) return;
    const Batch batch = batches_.front();
    batches_.pop_front();
    lock.unlock();
    fetch(batch);
    lock.lock();
  }
}

void ReadAhead::fetch(const Batch& batch) {
  std::vector<TileRange> tiles;
  for (uint64_t p = batch.first; p < batch.first + batch.count; ++p) tiles.push_back({order_.at(p), 1});
  fetch_tiles(tiles);
  fetch_window(batch);
}

void ReadAhead::fetch_window(const Batch& batch) {
  const auto window = order_.window(batch.first);
  if (!window) return;
  const auto announce_blocks = [&](const std::vector<TileRange>& blocks, size_t from, size_t to) {
    std::vector<TileRange> mine;
    for (size_t k = from; k < to; ++k)
      if (k % world_ == rank_) mine.push_back(blocks[k]);
    fetch_tiles(mine);
  };
  if (window->begin != window_begin_ || whole_until_ == 0) window_begin_ = window->begin, blocks_of_next_ = 0;
  if (batch.first >= whole_until_) announce_blocks(window->records, 0, window->records.size()), whole_until_ = window->end;

  const auto next = order_.window(window->end);
  const uint64_t used = std::min(batch.first + batch.count * world_, window->end) - window->begin;
  const size_t due = next->records.size() * used / (window->end - window->begin);
  if (due <= blocks_of_next_) return;
  announce_blocks(next->records, blocks_of_next_, due);
  blocks_of_next_ = due;
  if (due == next->records.size()) whole_until_ = next->end;
}

void ReadAhead::fetch_tiles(const std::vector<TileRange>& tiles) {
  if (tiles.empty()) return;
  const StallWatch::Wait wait(watch_, source_.file(tiles.front().first));
  source_.will_read(tiles);
}

}  // namespace eosin::data
