#pragma once
// Writes one shard (docs/formats.md). A shard of that name is complete and synced, or it is not there.
#include "data/shard.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// A shard's index; the payload follows through a PayloadSink.
struct ShardIndex {
  TileFormat format;
  std::string identity;          // of the run that writes it; may be empty
  bool ordered_by_slide = true;  // false when the tiles were shuffled on purpose
  std::vector<TileRow> tiles;    // slide, crc32c and all else
  std::vector<uint64_t> sizes;   // stored bytes of each tile
  std::vector<SlideRow> slides;  // first and count are filled in by write_shard
  TextColumns columns;
};

/// Takes the payload in order and writes it at its place in the file.
class PayloadSink {
 public:
  PayloadSink(int fd, uint64_t offset, std::string path) : fd_(fd), offset_(offset), path_(std::move(path)) {}
  /// Errors   Io.
  void append(std::span<const uint8_t> bytes);
  /// Copies bytes of another file; returns their crc32c.
  uint32_t copy(int from, uint64_t offset, uint64_t bytes, const std::string& from_path);
  void flush();
  uint64_t written() const { return written_ + pending_.size(); }

 private:
  int fd_;
  uint64_t offset_, written_ = 0;
  std::string path_;
  std::vector<uint8_t> pending_;
};

/// Writes `path`.tmp, takes its disk space before the payload is copied, syncs, renames. Returns the shard's header.
///
/// `first` of a slide is its first tile if the slide column never falls (then `order` is "slide"), else 0; `count` counts its tiles.
/// Errors   Io naming path, bytes and free space; Data if a text is too long for its column or a record of the raw codec has another size.
ShardHeader write_shard(const std::string& path, ShardIndex index, const std::function<void(PayloadSink&)>& write_payload);

}  // namespace eosin::data
