#pragma once
#include "apps/mil_looks.h"

namespace eosin::apps {

/// Paints the slides of heatmaps.slides, or of heatmaps.count bags: heatmaps/<slide>.png, and .geojson with percentile, score and weight of
/// every tile. Returns a row a slide.
nlohmann::ordered_json paint_heatmaps(Looks& looks);

}  // namespace eosin::apps
