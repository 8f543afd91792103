#pragma once
// Segmented pictures beside their truth: pairs of label maps of two folders.
#include <cstdint>
#include <string>
#include <vector>

namespace eosin::eval {

/// Labels of the pixels, row-major: ids of instances, or classes; 0 is background.
struct LabelMap {
  int64_t height = 0, width = 0;
  std::vector<int64_t> labels;
};

/// A grey PNG of 8 or 16 bits without gamma, whose values are the labels; or a .npy of whole numbers [H, W].
///
/// Errors   Io if it cannot be read; Data naming the file: colours, another shape, values that are no whole numbers or negative.
LabelMap read_label_map(const std::string& path);

/// Files of the same name (without ending) in both folders, in name order.
struct MapPair {
  std::string id, target, pred;
};
/// Errors   Io if a folder is missing. Data: no label map, two files of one name, a target without prediction (names it).
std::vector<MapPair> pair_label_maps(const std::string& target_dir, const std::string& pred_dir);

}  // namespace eosin::eval
