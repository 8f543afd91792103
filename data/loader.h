#pragma once
// Tiles of a source to batches of views: sampled by a closed form, read, checked, decoded and augmented by threads, in order.
//
// Goals      batch n has the same bits for any number of threads and ranks, and after stopping at any batch; a bad tile is named,
//            counted and replaced, never trained on; a disk that does not answer is named; stages say what they cost.
// Non-goals  worker processes; copying to a device (device_feeder.h).
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "data/batch.h"
#include "data/multicrop.h"
#include "data/read_ahead.h"
#include "data/slot_pipeline.h"
#include "data/stall_watch.h"
#include "data/tile_order.h"
#include "data/tile_source.h"

namespace eosin::data {

/// The keys of a loader.
struct LoaderConfig {
  config::Choice order{tile_orders(), "uniform"};
  int64_t prefetch = 2;
  double max_bad_fraction = 0.001;
  double stall_seconds = 20;

  void visit(config::Visitor& v);
};

/// In which form views leave the loader: rendered, or as tiles and drawn parameters (ViewBatch::drawn) for a device to render.
enum class ViewForm { kFloat, kBfloat16, kDrawn };

/// What the run decides: this rank's place, the size of its micro-batch, its threads.
struct LoaderPlace {
  uint64_t seed = 0;
  int64_t rank = 0, world = 1;
  int64_t local_batch = 1;  // tiles of one next(); a step of several micro-batches calls next() as often
  int64_t threads = 1;
  bool pinned = false;  // page-locked memory, for copies to a CUDA device
  ViewForm form = ViewForm::kFloat;
};

/// A tile that could not be read, and why.
struct BadTile {
  uint64_t index = 0;
  SampleId id;
  std::string reason;  // names file, tile, slide and coordinates; empty in a loaded state, as is the id
};

/// Seconds are summed over the threads.
struct LoaderCounters {
  int64_t tiles = 0;        // rendered, those ahead of the consumer included
  double read_seconds = 0;  // read, check and decode
  double view_seconds = 0;  // augment
  double idle_seconds = 0;  // threads without work: the consumer is the slower side
  int64_t stain_left = 0;   // tiles that were consumed without the stain augmentation drawn for them: their stains could not be told
  double wait_seconds = 0;  // the consumer without a batch: the loader is the slower side
};

/// Batches of views. Position p of slot k is first_position + k; all ranks together consume world * local_batch positions a next().
///
/// Errors   Config if a size or the place is wrong, or the form is kDrawn and a device cannot render these views. Data from next() when more
///          than max_bad_fraction of the source's tiles are bad, and from load_state() if the state belongs to another source or seed.
/// Checked  tests/data/test_loader.cpp: threads 1, 2, 8; worlds 1, 2, 4; resume; corrupted, truncated and vanished tiles; a source that does not
///          answer; destruction in the middle.
class ViewLoader final : public BatchSource<ViewBatch> {
 public:
  ViewLoader(std::shared_ptr<const TileSource> source, const MultiCropConfig& views, const LoaderConfig& config, const LoaderPlace& place);
  ~ViewLoader() override;

  ViewBatch next() override;
  /// Position, seed, digest of the source and of the order, quarantined tiles.
  State state() override;
  void load_state(const State& state) override;
  double wait_seconds() const override { return wait_seconds_; }

  LoaderCounters counters() const;
  /// Tiles found bad so far, by index.
  const std::map<uint64_t, BadTile>& quarantine() const { return quarantine_; }
  const ViewMaker& views() const { return maker_; }
  const TileOrder& order() const { return order_; }

 private:
  struct Slab;
  struct Pending;

  bool render(const Image& tile, const Slab& slab, uint64_t position, int64_t slot) const;
  void start();
  void open_next();
  std::shared_ptr<Slab> free_slab();
  void fill(int64_t batch, int64_t slot);
  void read(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& tile, SampleId& id);
  void adopt(std::vector<BadTile> found);

  const std::shared_ptr<const TileSource> source_;
  const ViewMaker maker_;
  const LoaderConfig config_;
  const LoaderPlace place_;
  const TileOrder order_;

  uint64_t position_ = 0;  // of the first slot of rank 0's next batch
  std::vector<std::shared_ptr<Slab>> slabs_;
  std::deque<std::unique_ptr<Pending>> pending_;  // in order; the front is next
  int64_t opened_ = 0;                            // batches given to the pipeline since it started
  mutable std::shared_mutex pending_mutex_;       // the threads look up their batch while the consumer adds and removes
  std::map<uint64_t, BadTile> quarantine_;
  mutable std::shared_mutex quarantine_mutex_;

  std::atomic<int64_t> tiles_{0}, read_ns_{0}, view_ns_{0};
  int64_t stain_left_ = 0;
  double wait_seconds_ = 0;
  StallWatch watch_;
  std::unique_ptr<ReadAhead> ahead_;
  std::unique_ptr<SlotPipeline> pipeline_;  // last: its threads use everything above
};

}  // namespace eosin::data
