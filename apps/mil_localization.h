#pragma once
#include "apps/mil_looks.h"

namespace eosin::apps {

/// The path of a slide's mask.
std::string mask_of(const std::string& pattern, const std::string& slide);

/// How well the scores of unseen slides find the regions of heatmaps.masks: average precision and AUROC by slide, and their means. A slide
/// counts if it has a mask, and tiles inside and outside. Null without heatmaps.masks.
nlohmann::ordered_json localize_regions(Looks& looks);

}  // namespace eosin::apps
