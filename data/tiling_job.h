#pragma once
// What one run of the tiler is given beside its config.
#include "data/slide_plan.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

struct TilingJob {
  std::vector<SlideEntry> slides;
  std::function<SlidePlan(const SlideEntry&)> plan;  // an Error is the slide's failure; called by many threads
  std::shared_ptr<const StainReference> stain;       // that the plans bring the tiles to; null: the tiles keep their colours
  std::string identity;                              // output begun with another is refused
};

}  // namespace eosin::data
