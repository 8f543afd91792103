#pragma once
// Published encoders of histopathology: what their weight files do not say.
#include "core/nn/encoder_spec.h"
#include "core/nn/weights.h"

#include <string>
#include <vector>

namespace eosin::nn {

/// One published model: its architecture, the images that it expects, and the pooling that gives the published feature.
/// The file may be in any words that weight_origins() knows.
struct PresetRow {
  std::string name;
  std::string one_line;
  std::string source;
  EncoderSpec spec;
};
const std::vector<PresetRow>& presets();
/// Config error that names the nearest if there is no such row.
const PresetRow& preset(const std::string& name);

/// What the importer is told of a file by its preset.
ImportTarget import_target_of(const PresetRow& row);
/// convert_state_dict of a file that must be the preset's.
///
/// Errors   Data naming `where`, the preset's architecture and what is wrong with the weights.
ImportedWeights convert_preset(const PresetRow& row, const TensorMap& source, const ImportTarget& target, const std::string& where);
/// The preset's images and pooling with the model that the weights have.
///
/// Errors   Data naming `where` and both architectures if they differ.
EncoderSpec spec_of(const PresetRow& row, const ModelConfig& found, const std::string& where);

}  // namespace eosin::nn
