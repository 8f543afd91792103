#include "data/cached_features.h"

#include "core/base/error.h"
#include "data/feature_layout.h"

#include <ATen/ATen.h>

#include <filesystem>

namespace eosin::data {
namespace {

/// Gives each of the file's rows to its tile: rows are in the order of the tiles, of which some may be left out.
void place_rows(const FeatureFile& file, const SlideFeatures& found, const Tensor& coords_N2, int64_t first, std::vector<int64_t>& row_of) {
  const int64_t rows = found.features_ND.size(0);
  const Tensor there = found.coords_N2.contiguous(), wanted = coords_N2.contiguous();
  const auto *a = there.const_data_ptr<int64_t>(), *b = wanted.const_data_ptr<int64_t>();
  int64_t row = 0;
  for (size_t i = 0; i < file.indices.size() && row < rows; ++i) {
    const auto r = static_cast<size_t>(row);
    const bool same = file.ids.empty() ? a[2 * r] == b[2 * i] && a[2 * r + 1] == b[2 * i + 1] : found.ids[r] == file.ids[i];
    if (same) row_of[static_cast<size_t>(file.indices[i])] = first + row++;
  }
  EOSIN_CHECK(row == rows, Data, "[{}] row {} belongs to no tile of the store", file.path, row);
}

}  // namespace

CachedFeatures::CachedFeatures(const TileStore& store, const std::string& folder) : folder_(folder), row_of_(store.n_tiles(), -1) {
  std::vector<Tensor> parts;
  int64_t first = 0;
  for (const FeatureFile& file : feature_files(store, folder)) {
    EOSIN_CHECK(std::filesystem::exists(file.path), Data, "[{}] is missing; embed the store with that teacher (eosin embed out={})", file.path,
                folder);
    const SlideFeatures found = read_features(file.path);
    EOSIN_CHECK(found.meta.tiles_crc32c == tiles_checksum(store, file.indices) && found.ids.empty() == file.ids.empty(), Data,
                "[{}] holds features of other tiles than the store's; embed this store", file.path);
    if (parts.empty()) weights_sha256_ = found.meta.weights_sha256, transform_ = found.meta.transform;
    EOSIN_CHECK(found.meta.weights_sha256 == weights_sha256_ && found.meta.transform == transform_, Data,
                "[{}] holds features of other weights or another transform than the files before it", file.path);
    EOSIN_CHECK(parts.empty() || found.features_ND.size(1) == parts[0].size(1), Data,
                "[{}] holds features of width {} (need {}, as the files before it)", file.path, found.features_ND.size(1), parts[0].size(1));
    place_rows(file, found, tile_coords(store, file.indices), first, row_of_);
    parts.push_back(found.features_ND);
    first += found.features_ND.size(0);
  }
  features_ND_ = at::cat(parts);
}

Tensor CachedFeatures::rows(const std::vector<int64_t>& tiles) const {
  std::vector<int64_t> rows;
  for (const int64_t tile : tiles) {
    rows.push_back(row_of_.at(static_cast<size_t>(tile)));
    EOSIN_CHECK(rows.back() >= 0, Data, "[{}] has no feature of tile {}, which could not be read when the store was embedded; embed it again",
                folder_, tile);
  }
  return features_ND_.index_select(0, at::tensor(rows, at::kLong));
}

}  // namespace eosin::data
