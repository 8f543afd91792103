#pragma once
// Public weights of backbones in stages, ResNet, ConvNeXt and Swin, in timm's names, which are ours.
#include "core/nn/weights.h"

#include <optional>
#include <string>
#include <vector>

namespace eosin::nn {

/// A library or release whose backbones in stages are known by their keys, as WeightOrigin is of vision transformers.
struct StagedOrigin {
  std::string name;
  std::string one_line;
  std::string source;
  /// The first row that says so of a state dict without wrapping prefixes is taken.
  bool (*recognises)(const TensorMap& weights);
  /// Brings the weights into timm's names and tells the model from them.
  void (*take)(ImportedWeights& imported);
};
const std::vector<StagedOrigin>& staged_origins();

/// Tells the family and its sizes from names and shapes. Nothing if no row of staged_origins() knows the weights.
///
/// Errors   Data naming what is missing or odd.
/// Checked  tests/nn/test_backbones.cpp; tests/python/backbone_parity.py.
std::optional<ImportedWeights> convert_staged(const TensorMap& source, const ImportTarget& target);

}  // namespace eosin::nn
