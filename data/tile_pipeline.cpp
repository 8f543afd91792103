#include "data/tile_pipeline.h"

#include "core/base/thread_team.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace eosin::data {
namespace {

using Chunk = std::vector<CutTile>;

/// A slide in work. Everything but `job` is guarded by the pipeline's mutex.
struct Active {
  explicit Active(std::unique_ptr<SlideJob> j) : job(std::move(j)) {}
  std::unique_ptr<SlideJob> job;
  bool started = false;
  size_t tiles = 0, chunks = 0;
  size_t next_chunk = 0;          // first that nobody cuts yet
  size_t taken = 0;               // chunks handed to the job
  std::map<size_t, Chunk> ready;  // cut, waiting for their turn
  bool taking = false;            // a thread is handing chunks to the job
  bool given_up = false;
};
using ActivePtr = std::shared_ptr<Active>;

class Pipeline {
 public:
  Pipeline(const std::function<std::unique_ptr<SlideJob>()>& next, const PipelineSettings& settings, const std::function<bool()>& stop)
      : next_(next), settings_(settings), stop_(stop) {}

  bool run() {
    ThreadTeam others;
    try {
      for (int t = 1; t < settings_.threads; ++t) others.add([this] { work(); });
    } catch (...) {
      fail_with(std::current_exception());
    }
    work();
    others.join();
    if (failure_) std::rethrow_exception(failure_);
    return exhausted_ && active_.empty();
  }

 private:
  void work() {
    try {
      while (const auto task = wait_for_task()) task();
    } catch (...) {
      fail_with(std::current_exception());
    }
  }

  void fail_with(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    changed_.notify_all();
  }

  bool halted() const { return failure_ || stop_(); }

  /// The next thing to do, or nothing at the end. Tiles of the slides that came first go before a new slide.
  std::function<void()> wait_for_task() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (halted()) return {};
      for (const ActivePtr& a : active_)
        if (can_cut(*a)) return [this, a, chunk = a->next_chunk++] { cut(a, chunk); };
      if (const ActivePtr a = open_next()) return [this, a] { start(a); };
      if (exhausted_ && active_.empty()) return {};
      changed_.wait_for(lock, std::chrono::milliseconds(200));  // `stop` may turn true without a word
    }
  }

  bool can_cut(const Active& a) const {
    const size_t ahead = settings_.chunks_ahead * static_cast<size_t>(settings_.threads);
    return a.started && !a.given_up && a.next_chunk < a.chunks && a.next_chunk < a.taken + ahead;
  }

  ActivePtr open_next() {
    const size_t most = std::min(settings_.max_open_slides, static_cast<size_t>(settings_.threads));
    if (exhausted_ || active_.size() >= most) return nullptr;
    auto job = next_();
    if (!job) {
      exhausted_ = true;
      changed_.notify_all();
      return nullptr;
    }
    return active_.emplace_back(std::make_shared<Active>(std::move(job)));
  }

  void start(const ActivePtr& a) {
    const size_t tiles = a->job->start();
    std::unique_lock lock(mutex_);
    a->tiles = tiles;
    a->chunks = (tiles + settings_.tiles_a_chunk - 1) / settings_.tiles_a_chunk;
    a->started = true;
    a->taking = a->chunks == 0;
    changed_.notify_all();
    if (a->chunks == 0) finish(a, lock);
  }

  void cut(const ActivePtr& a, size_t chunk) {
    Chunk tiles;
    const size_t end = std::min(a->tiles, (chunk + 1) * settings_.tiles_a_chunk);
    for (size_t i = chunk * settings_.tiles_a_chunk; i < end; ++i) {
      if (stop_()) return;
      tiles.push_back(a->job->cut(i));
    }
    std::unique_lock lock(mutex_);
    a->ready.emplace(chunk, std::move(tiles));
    if (!std::exchange(a->taking, true)) hand_over(a, lock);
  }

  /// Gives the job all chunks whose turn has come; the thread that gives the last one finishes the slide.
  void hand_over(const ActivePtr& a, std::unique_lock<std::mutex>& lock) {
    while (!a->given_up && !a->ready.empty() && a->ready.begin()->first == a->taken) {
      Chunk chunk = std::move(a->ready.begin()->second);
      a->ready.erase(a->ready.begin());
      lock.unlock();
      bool goes_on = true;
      for (auto tile = chunk.begin(); goes_on && tile != chunk.end(); ++tile) goes_on = a->job->take(std::move(*tile));
      lock.lock();
      ++a->taken;
      a->given_up = !goes_on;
      changed_.notify_all();
    }
    if (a->given_up || a->taken == a->chunks) return finish(a, lock);
    a->taking = false;
  }

  /// `taking` stays set, so that a late chunk of a slide that was given up is dropped.
  void finish(const ActivePtr& a, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    a->job->finish();
    lock.lock();
    std::erase(active_, a);
    changed_.notify_all();
  }

  const std::function<std::unique_ptr<SlideJob>()>& next_;
  const PipelineSettings settings_;
  const std::function<bool()>& stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ActivePtr> active_;
  bool exhausted_ = false;
  std::exception_ptr failure_;
};

}  // namespace

bool run_pipeline(const std::function<std::unique_ptr<SlideJob>()>& next, const PipelineSettings& settings, const std::function<bool()>& stop) {
  return Pipeline(next, settings, stop).run();
}

}  // namespace eosin::data
