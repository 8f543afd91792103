#pragma once
// Somebody's picture as a record of a tile store.
#include "data/image_table.h"
#include "data/shard.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

/// Pixels of a JPEG or PNG file, or those that are given.
/// Errors   Data naming `where`: neither of them, damaged, a PNG of 16 bits.
Image pixels_of(const Picture& picture, const std::string& where);

/// Makes records of the store's size and codec, and counts in `counts` what it did.
class RecordMaker {
 public:
  RecordMaker(const ImportConfig& config, const TileFormat& format, ImportResult& counts) : config_(config), format_(format), counts_(counts) {}

  /// A baseline JPEG of the right size is copied. It is decoded in any case, so that no damaged one gets into the store.
  /// The record stays valid until the next call.
  /// Errors   as pixels_of(); Data if it has another size and `config.resize` is off.
  const std::vector<uint8_t>& record_of(const Picture& picture, const std::string& where);

 private:
  bool fits(const Image& image) const;
  bool can_copy(const Picture& picture, const Image& image) const;
  void encode(const Image& image);

  const ImportConfig& config_;
  const TileFormat& format_;
  ImportResult& counts_;
  std::vector<uint8_t> record_;
};

}  // namespace eosin::data
