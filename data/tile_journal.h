#pragma once
// What `tile` leaves beside the store: slides.jsonl, one row a slide, and failures.jsonl.
#include "data/slide_reader.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

/// One row of slides.jsonl.
struct SlideRecord {
  std::string id;
  std::string status;  // "ok", "no_tissue", "failed", "skipped" (complete before this run)
  std::string reason;  // of every status but ok
  double mpp = 0;      // 0: unknown
  std::string mpp_source;
  std::string reader;   // the row of slide_readers() that read the pixels
  int64_t level = 0;    // pyramid level that tiles were read from
  bool copied = false;  // the tiles are the slide's own JPEG streams
  int64_t tiles = 0;
  std::map<std::string, int64_t> filtered;  // tiles of the grid that were not kept, by cause: "tissue", "hsv", "white", "black", "damaged"
  std::string stain;                        // what was done to the colours; empty: nothing
  std::string stain_from;                   // the slide's own colours as JSON, where they were estimated
  int64_t stain_left = 0;                   // tiles whose colours could not be estimated: they are as they were
  double seconds = 0;
  int64_t bytes = 0;
  int64_t file_bytes = 0;  // of the slide's file, by which a later run knows that it was replaced; 0: unknown, or a folder
  std::vector<std::string> warnings;
};

/// Of a file; 0 for a folder, or nothing.
int64_t file_bytes(const std::string& path);

/// Thread-safe. A row is on disk when add() returns; one that a killed run left half-written is taken off.
/// Errors   Io if a file cannot be written; Data naming file and line if a row is not ours.
class TileJournal {
 public:
  /// Reads what earlier runs wrote in `folder`, which is made if it does not exist.
  explicit TileJournal(const std::string& folder);
  ~TileJournal();

  /// The newest row of a slide.
  std::optional<SlideRecord> find(const std::string& id) const;
  void add(const SlideRecord& record);
  /// A row of failures.jsonl: {id, stage, message, attempt, x, y}; the attempt counts the slide's failed runs.
  void add_failure(const std::string& id, const std::string& stage, const std::string& message, std::optional<Point> where = {});
  /// Rewrites slides.jsonl with the newest row of every slide of `order`, then of the other slides that `stays` says are in the store, by id.
  void close(const std::vector<std::string>& order, const std::function<bool(const std::string& id)>& stays);

  const std::string& folder() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
