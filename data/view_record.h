#pragma once
// Drawn views in the form that a device renders from.
#include <string>
#include <vector>

#include "core/kernels/view_element.h"
#include "data/view_presets.h"

namespace eosin::data {

/// What was drawn for one view. Without params.macenko and params.randstainna.
kernels::ViewRecord record_of(const ViewParams& params);

/// What the views of a rule have in common.
kernels::ViewRecipe recipe_of(const ViewRule& rule);

/// A key of MultiCropConfig whose value a device cannot render, and why.
struct DeviceLack {
  std::string key, why;
};
std::vector<DeviceLack> device_lacks(const MultiCropConfig& config);

}  // namespace eosin::data
