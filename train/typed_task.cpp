#include "train/typed_task.h"

#include <fmt/format.h>

#include <algorithm>

namespace eosin::train {

std::string describe(const std::vector<data::SampleId>& ids) {
  constexpr size_t kShown = 32;
  std::string text;
  for (size_t i = 0; i < std::min(ids.size(), kShown); ++i)
    text += fmt::format("{}slide {} ({}, {})", i == 0 ? "" : ", ", ids[i].slide, ids[i].x, ids[i].y);
  if (ids.size() > kShown) text += fmt::format(", and {} more", ids.size() - kShown);
  return text;
}

}  // namespace eosin::train
