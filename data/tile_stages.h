#pragma once
// Where the CPU time of tiling goes.
#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

namespace eosin::data {

enum class TileStage { kPlan, kRead, kResize, kStain, kEncode, kWrite };
/// Opening, mask and grid; decoding from the slide; scaling and filters; colours; JPEG; the store's parts.
inline constexpr std::array kTileStageNames = {"plan", "read", "resize", "stain", "encode", "write"};

/// CPU nanoseconds of all threads by stage.
using TileStageTimes = std::array<std::atomic<int64_t>, kTileStageNames.size()>;

/// Adds this thread's CPU time from its making to its end.
class TileStageTimer {
 public:
  TileStageTimer(TileStageTimes& times, TileStage stage) : sum_(times[static_cast<size_t>(stage)]) {}
  ~TileStageTimer() { sum_ += now() - begin_; }
  TileStageTimer(const TileStageTimer&) = delete;
  TileStageTimer& operator=(const TileStageTimer&) = delete;

 private:
  static int64_t now() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  }
  std::atomic<int64_t>& sum_;
  const int64_t begin_ = now();
};

}  // namespace eosin::data
