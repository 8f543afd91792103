#pragma once
// Tiles in the compressions that libtiff decodes itself.
#include "data/slide_reader.h"
#include "data/tiff_file.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace eosin::data {

/// Whether the current directory's tiles are in one of them: none, LZW, deflate, PackBits, Zstandard where libtiff has it.
bool can_decode(TIFF* tiff);

/// Thread-safe: each call has a handle of libtiff to itself, which is kept for the next.
class TiffDecoder {
 public:
  explicit TiffDecoder(std::string path) : path_(std::move(path)) {}
  /// Tile `index` (in each plane, if the channels lie apart) of the directory at that offset, as RGB into `rgb`.
  /// Errors   Data if it cannot be decoded, or the directory is not the one that was looked at.
  void tile(uint64_t directory, Size size, int64_t index, uint8_t* rgb);

 private:
  struct Handle {
    std::string message;  // outlives `tiff`
    TiffHandle tiff{nullptr, TIFFClose};
    uint64_t directory = 0;  // the current one; 0: none yet
  };
  std::unique_ptr<Handle> take();
  void give_back(std::unique_ptr<Handle> handle);

  const std::string path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
};

}  // namespace eosin::data
