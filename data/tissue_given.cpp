#include "data/tissue_given.h"

#include "core/base/error.h"
#include "data/png.h"

#include <cmath>
#include <filesystem>

namespace eosin::data {

void GivenMaskConfig::validate(config::Problems& p) const {
  if (folder.empty()) p.add("folder", "the method 'given' needs the folder of your masks");
}

Tissue segment_given(const GivenMaskConfig& config, const TissueInput& input) {
  const std::string path = (std::filesystem::path(config.folder) / (input.id + ".png")).string();
  Tissue result;
  result.mask = read_mask_png(path);
  const Size slide = input.slide.info().size();
  const double aspect = static_cast<double>(slide.width) / static_cast<double>(slide.height);
  const double got = static_cast<double>(result.mask.width) / static_cast<double>(result.mask.height);
  EOSIN_CHECK(std::abs(got / aspect - 1) <= 0.05, Data, "[tissue] '{}' is not a mask of the whole slide '{}' (got {} x {} for {} x {} pixels)", path,
              input.id, result.mask.width, result.mask.height, slide.width, slide.height);
  result.binary = result.mask;
  result.n_regions = result.mask.any() ? 1 : 0;
  return result;
}

}  // namespace eosin::data
