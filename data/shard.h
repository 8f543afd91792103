#pragma once
// One file of a tile store, format 1.0 (docs/formats.md): an HDF5 file whose records C++ reads with pread, no lock and no parsing.
#include "data/image.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

enum class Codec { kJpeg, kRaw };
/// "jpeg", "raw".
const char* name(Codec codec) noexcept;

/// Optional columns of a store: name ("class") -> one text a tile.
using TextColumns = std::map<std::string, std::vector<std::string>>;

/// A row of the slide table. Text that is not known is empty, numbers are 0.
struct SlideRow {
  std::string id, path, sha256, vendor, scanner, patient, site, stain;
  double mpp_x = 0, mpp_y = 0;
  float magnification = 0;
  int64_t width = 0, height = 0;  // level-0 pixels
  uint64_t first = 0, count = 0;  // the slide's tiles, when they lie together
  bool copied = false;            // its tiles are its own streams; no column of its own, see TileFormat::lossless_tile_copy
};

/// Bits of TileRow::qc.
enum : uint16_t { kQcPen = 1, kQcBlurred = 2, kQcFold = 4, kQcQuarantined = 8, kQcStainLeft = 16 };

/// The index entry of a tile. Coordinates are level-0 pixels of its top-left corner.
struct TileRow {
  uint32_t slide = 0;  // row of the slide table
  int32_t x = 0, y = 0;
  uint32_t level0_size = 0;  // edge in level-0 pixels
  uint8_t tissue = 0;        // floor(255 * fraction + 0.5)
  uint16_t qc = 0;
  uint32_t crc32c = 0;  // of the stored bytes
};

/// How the tiles of a store were made; equal for all shards of a store.
struct TileFormat {
  Codec codec = Codec::kJpeg;
  uint32_t tile_height = 0, tile_width = 0;
  uint32_t overlap = 0;
  uint32_t jpeg_quality = 0;             // 0: unknown
  std::string jpeg_subsampling = "420";  // "420", "422", "444", "gray", "mixed"
  double target_mpp = 0;                 // 0: unknown
  bool lossless_tile_copy = false;       // all tiles are JPEG streams of their slides, byte for byte
  std::string stain;                     // what was done to the tiles' colours, "mixed" if not to all the same; empty: nothing
};

/// Root attributes of a shard.
struct ShardHeader : TileFormat {
  uint32_t format_minor = 0;
  std::array<uint8_t, 16> uuid{};
  std::string writer, created_utc;
  bool ordered_by_slide = true;  // attribute `order`: "slide" or "shuffled"
  uint64_t n_tiles = 0, n_slides = 0, data_bytes = 0;
  uint32_t index_crc32c = 0;
  std::string identity;  // of the run that wrote it; empty if unknown (docs/formats.md)
};
/// "8-4-4-4-12" hexadecimal digits.
std::string uuid_text(const std::array<uint8_t, 16>& uuid);

struct RecordPlace;

/// An open shard. Thread-safe; holds one plain descriptor and a mapping of the index, and no HDF5 handle.
///
/// Errors   Io if it cannot be opened; Data naming file and check: not HDF5, truncated, other format or major version, not complete,
///          unknown codec, payload or index not contiguous, wrong lengths or types, offsets that fall or do not end with the payload,
///          slide rows out of range, index checksum.
/// Checked  golden data.store_read, tests/data/test_store.cpp.
class Shard {
 public:
  /// `check_index` false leaves out the index checksum (a millisecond per 100,000 tiles).
  explicit Shard(const std::string& path, bool check_index = true);
  ~Shard();
  Shard(Shard&&) noexcept;

  const std::string& path() const;
  const ShardHeader& header() const;
  const std::vector<SlideRow>& slides() const;
  uint64_t n_tiles() const { return header().n_tiles; }
  uint64_t file_bytes() const;

  TileRow tile(uint64_t index) const;
  /// Where the stored bytes of a tile lie within the payload.
  uint64_t offset(uint64_t index) const;
  uint64_t size(uint64_t index) const;

  /// Reads the stored bytes (a JPEG stream, or raw pixels) into `buffer` and checks them; the result lies in `buffer`.
  /// Errors   Io on a failed read; Data naming shard, tile, slide and coordinates if the checksum differs.
  std::span<const uint8_t> read(uint64_t index, std::vector<uint8_t>& buffer) const;
  /// The same without the checksum.
  std::span<const uint8_t> read_unchecked(uint64_t index, std::vector<uint8_t>& buffer) const;
  /// Asks the system to fetch bytes of the payload; returns while they are under way.
  void will_read(uint64_t offset, uint64_t bytes) const;
  /// Reads, checks and decodes. `buffer` is scratch. Data error also if the picture is not of the store's size.
  void read_image(uint64_t index, std::vector<uint8_t>& buffer, Image& out) const;

  /// Names of the optional columns: `label_*`, without the prefix, and `cluster`.
  const std::vector<std::string>& columns() const;
  /// One text a tile (numbers as they print). Data error if the shard has no such column, if it has another length, or if its
  /// checksum, where it has one, does not fit.
  std::vector<std::string> column(const std::string& name) const;

  /// "shard.h5: tile 17 (slide A, x 512, y 0)", for messages.
  std::string describe(uint64_t index) const;
  /// Descriptor and position of the payload's first byte, for copying bytes in bulk.
  int descriptor() const;
  uint64_t payload_offset() const;

 private:
  struct Impl;
  std::span<const uint8_t> read_record(uint64_t index, const RecordPlace& place, std::vector<uint8_t>& buffer) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
