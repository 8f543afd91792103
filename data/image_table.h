#pragma once
// Which pictures an import takes, what is known of each, and how its bytes are got.
#include "data/image.h"
#include "data/image_import.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace eosin::data {

struct ImageEntry {
  std::string id;      // the path as the table gives it; of an export, its column id
  std::string file;    // to be opened
  std::string member;  // of an archive
  uint64_t place = 0;  // inside the file, where that holds many: the member's header, or a row
  uint64_t bytes = 0;  // of the member
  std::string where;   // "table.csv:7" or the file, for messages
  std::string slide, patient;
  std::string label, group, split, caption;  // empty: unknown
  std::optional<int64_t> x, y;
  std::optional<int64_t> level0_size;  // edge in level-0 pixels; without it the tile's own
  double mpp = 0;
  std::optional<double> tissue;  // its share of the tile, 0 to 1
  int64_t qc = 0;                // bits of TileRow::qc
  std::string fault;             // why it cannot be used, where listing it showed that
};

/// An encoded file's bytes, or pixels.
using Picture = std::variant<std::string, Image>;

struct ImageTable {
  std::vector<ImageEntry> entries;   // slide by slide, in order of first appearance
  std::vector<std::string> columns;  // of the store: "id" and those of class, group, patient, split, caption that are known
  bool raw = false;                  // pixels that a JPEG would harm: the codec of `auto`
  /// Errors   Io, Data: the picture cannot be had.
  std::function<Picture(const ImageEntry&)> read;
};

/// A CSV table. Errors   as import_images.
ImageTable read_image_csv(const std::string& path, const ImportConfig& config);
/// Every JPEG, PNG and TIFF below a folder in name order, whose folder is its class. Errors   as import_images.
ImageTable read_image_folder(const std::string& path, const ImportConfig& config);

/// Takes the columns that at least one entry fills, refuses a picture or a place that is there twice and a slide of two patients, and sorts
/// by slide.
/// Errors   Data naming both.
void complete_table(ImageTable& table);

/// Takes what an export says of a tile beside its place. Errors   Data: no share, no bits.
void set_quality(ImageEntry& entry, double tissue, int64_t qc, const std::string& where);

/// The entry's value of one of the store's columns.
const std::string& column_value(const ImageEntry& entry, const std::string& column);

}  // namespace eosin::data
