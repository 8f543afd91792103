#pragma once
// Open slides, no more than so many.
#include "data/slide_reader.h"

#include <cstddef>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace eosin::data {

/// Opens slides when they are asked for and closes those that were not used for longest. Thread-safe: a slide is opened once however many ask
/// for it, and stays open while it is held.
/// Checked  tests/data/test_slide_source.cpp.
class SlidePool {
 public:
  using Slide = std::shared_ptr<const SlideReader>;
  SlidePool(std::vector<std::string> paths, size_t most_open) : paths_(std::move(paths)), most_open_(most_open) {}

  /// Errors   as open_slide; the next to ask tries again.
  Slide get(size_t slide);
  const std::string& path(size_t slide) const { return paths_[slide]; }
  /// Slides opened so far, one that was opened again counted again.
  size_t opened() const;

 private:
  struct Entry {
    std::shared_future<Slide> reader;
    std::list<size_t>::iterator place;  // in order_
  };
  void forget(size_t slide);

  const std::vector<std::string> paths_;
  const size_t most_open_;
  mutable std::mutex mutex_;
  std::list<size_t> order_;  // the latest first
  std::unordered_map<size_t, Entry> entries_;
  size_t opened_ = 0;
};

}  // namespace eosin::data
