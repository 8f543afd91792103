#pragma once
// What `eosin store import` takes: formats by name, each told by what a path is and holds.
#include "data/image_table.h"

#include <functional>
#include <string>
#include <vector>

namespace eosin::data {

/// A row of the table. `accepts` looks at names and, of HDF5, at the first file.
struct ImportFormat {
  std::string name, one_line, source;
  std::function<bool(const std::string& path)> accepts;
  std::function<ImageTable(const std::string& path, const ImportConfig& config)> list;  // empty: coordinates, see import_coords()
};
const std::vector<ImportFormat>& import_formats();

/// The format of that name, or for "auto" the first that accepts the path.
/// Errors   Config for a name that is not there; Data if none accepts; Io.
const ImportFormat& import_format(const std::string& path, const std::string& name);

}  // namespace eosin::data
