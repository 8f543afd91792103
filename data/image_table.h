#pragma once
// Which pictures an import takes, and what is known of each.
#include "data/image_import.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

struct ImageEntry {
  std::string id;     // as the table names it
  std::string file;   // to be opened
  std::string where;  // "table.csv:7" or the file, for messages
  std::string slide, patient;
  std::string label, group, split;  // empty: unknown
  std::optional<int64_t> x, y;
  double mpp = 0;
};

struct ImageTable {
  std::vector<ImageEntry> entries;   // slide by slide, in order of first appearance
  std::vector<std::string> columns;  // of the store: "id" and those of class, group, patient, split that are known
};

/// A CSV table, or every JPEG and PNG below a folder in name order, whose folder is its class.
/// Errors   as import_images.
ImageTable read_image_table(const std::string& path, const ImportConfig& config);

/// The entry's value of one of the store's columns.
const std::string& column_value(const ImageEntry& entry, const std::string& column);

}  // namespace eosin::data
