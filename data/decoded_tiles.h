#pragma once
// Decoded pictures that neighbouring regions share.
#include "data/image.h"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>

namespace eosin::data {

/// The least recently used leave when more than `max_bytes` are held. Thread-safe; two threads that miss at once both make the picture.
class DecodedTiles {
 public:
  struct Key {
    int level;
    int64_t index;
    auto operator<=>(const Key&) const = default;
  };
  using Tile = std::shared_ptr<const Image>;

  explicit DecodedTiles(size_t max_bytes) : max_bytes_(max_bytes) {}

  void limit(size_t max_bytes) {
    const std::lock_guard lock(mutex_);
    max_bytes_ = max_bytes;
    drop_oldest();
  }

  Tile get(const Key& key, const std::function<Image()>& make) {
    if (Tile found = find(key)) return found;
    return keep(key, std::make_shared<const Image>(make()));
  }

 private:
  using Order = std::list<std::pair<Key, Tile>>;  // the newest first

  Tile find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto it = place_.find(key);
    if (it == place_.end()) return nullptr;
    order_.splice(order_.begin(), order_, it->second);
    return it->second->second;
  }

  Tile keep(const Key& key, Tile tile) {
    const std::lock_guard lock(mutex_);
    const auto it = place_.find(key);
    if (it != place_.end()) return it->second->second;
    order_.emplace_front(key, tile);
    place_[key] = order_.begin();
    bytes_ += tile->rgb.size();
    drop_oldest();
    return tile;
  }

  void drop_oldest() {
    for (; bytes_ > max_bytes_ && order_.size() > 1; order_.pop_back()) {
      bytes_ -= order_.back().second->rgb.size();
      place_.erase(order_.back().first);
    }
  }

  size_t max_bytes_;
  std::mutex mutex_;
  Order order_;
  std::map<Key, Order::iterator> place_;
  size_t bytes_ = 0;
};

}  // namespace eosin::data
