#pragma once
// Has the disk working on the tiles of coming batches before a thread asks for one.
#include "data/stall_watch.h"
#include "data/tile_order.h"
#include "data/tile_source.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace eosin::data {

/// Tells the source, from a thread of its own, what will be read: the tiles of each batch that was announced, and in block order the blocks of the
/// window and, spread over it, those of the next one. The system reads them at once and in the order of the disk, into memory that all
/// ranks of a machine share. (Measured on a cold cache beside threads that only read: more records a second than 8 of them, at half the CPU time.)
///
/// Nothing depends on it: a late or lost announcement only makes a read slower.
class ReadAhead {
 public:
  /// In block order rank r of w announces every w-th block.
  ReadAhead(const TileSource& source, const TileOrder& order, StallWatch& watch, uint64_t rank, uint64_t world);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// The tiles at [first, first + count); never waits.
  void announce(uint64_t first, uint64_t count);

 private:
  struct Batch {
    uint64_t first, count;
  };
  void run();
  void fetch(const Batch& batch);
  void fetch_window(const Batch& batch);
  void fetch_tiles(const std::vector<TileRange>& tiles);

  const TileSource& source_;
  const TileOrder& order_;
  StallWatch& watch_;
  const uint64_t rank_, world_;
  uint64_t whole_until_ = 0;   // the windows of earlier positions are announced
  uint64_t window_begin_ = 0;  // of the window in use
  size_t blocks_of_next_ = 0;  // announced already
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool stopping_ = false;
  ThreadTeam thread_;  // last: it uses everything above
};

}  // namespace eosin::data
