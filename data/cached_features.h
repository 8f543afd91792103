#pragma once
// Features of every tile of a store, in memory: a frozen encoder that need not run again.
#include "data/feature_store.h"
#include "data/tile_store.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// What `eosin embed` wrote of that store. A tile that it could not read has no feature.
///
/// Errors   those of list_features; Data naming the file: it is missing, was made of other tiles (checksum), or differs from the others in
///          width, weights or transform.
/// Checked  tests/data/test_cached_features.cpp: stores of slides and of pictures, rows that are left out, other tiles.
class CachedFeatures {
 public:
  CachedFeatures(const TileStore& store, const std::string& folder);

  int64_t dim() const { return features_ND_.size(1); }
  const std::string& weights_sha256() const { return weights_sha256_; }
  const std::string& transform() const { return transform_; }
  /// The features of these tiles, as stored. Errors   Data naming a tile that has none.
  ///
  /// Shapes   [tiles, dim].
  Tensor rows(const std::vector<int64_t>& tiles) const;

 private:
  std::string folder_, weights_sha256_, transform_;
  Tensor features_ND_;
  std::vector<int64_t> row_of_;  // of every tile; -1: none
};

}  // namespace eosin::data
