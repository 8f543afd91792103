#pragma once
// Bags of tile features, one after another without padding: what slide-level learning sees.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

/// A bag is a slide, or all slides of a patient. Rows offsets[b] ... offsets[b + 1] are bag b's, in the order of its file.
struct BagBatch {
  Tensor features_ND;                  // float32, float64, or half precision
  std::vector<int64_t> offsets = {0};  // B + 1 values from 0 to N, on the host: the shape of everything that follows
  Tensor coords_N2;                    // int64 (x, y), level-0 pixels of the tile's top-left corner; undefined where unknown
  Tensor fragment_N;                   // int64, which piece of tissue the tile lies on; undefined where unknown
  Tensor labels_B;                     // int64 class, for what a head itself learns from it (CLAM's instances); undefined where there is none
  std::vector<double> tile_size_px;    // side of a tile in level-0 pixels, one a bag; empty where unknown
  std::vector<std::string> ids;        // names of the bags, for messages; may be empty

  int64_t n_bags() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t size(int64_t b) const { return offsets[static_cast<size_t>(b) + 1] - offsets[static_cast<size_t>(b)]; }
};

}  // namespace eosin::data
