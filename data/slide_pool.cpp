#include "data/slide_pool.h"

namespace eosin::data {
namespace {

constexpr size_t kDecodedBytes = size_t{512} << 20;  // of all open slides together

}  // namespace

SlidePool::Slide SlidePool::get(size_t slide) {
  std::promise<Slide> promise;
  {
    std::unique_lock lock(mutex_);
    if (const auto found = entries_.find(slide); found != entries_.end()) {
      order_.splice(order_.begin(), order_, found->second.place);
      const auto reader = found->second.reader;
      lock.unlock();
      return reader.get();
    }
    order_.push_front(slide);
    entries_.emplace(slide, Entry{promise.get_future().share(), order_.begin()});
    ++opened_;
    while (entries_.size() > most_open_) {
      entries_.erase(order_.back());
      order_.pop_back();
    }
  }
  try {
    const std::shared_ptr<SlideReader> reader = open_slide(paths_[slide]);
    reader->limit_decoded(kDecodedBytes / most_open_);
    promise.set_value(reader);
    return reader;
  } catch (...) {
    forget(slide);
    promise.set_exception(std::current_exception());
    throw;
  }
}

void SlidePool::forget(size_t slide) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(slide);
  if (found == entries_.end()) return;
  order_.erase(found->second.place);
  entries_.erase(found);
}

size_t SlidePool::opened() const {
  const std::lock_guard lock(mutex_);
  return opened_;
}

}  // namespace eosin::data
