#include "data/tissue.h"

#include "core/base/error.h"
#include "data/tissue_absorbance.h"
#include "data/tissue_clam.h"
#include "data/tissue_given.h"

#include <algorithm>
#include <memory>

namespace eosin::data {
namespace {

constexpr double kDarkLuminance = 60;

template <class C>
TissueMethod method(std::string name, std::string one_line, std::string source, C defaults, Tissue (*segment)(const C&, const TissueInput&)) {
  return {
      {std::move(name), std::move(one_line), std::move(source), [defaults] { return std::make_unique<config::ConfigOf<C>>(defaults); }},
      [segment](const config::AnyConfig& c, const TissueInput& input) { return segment(dynamic_cast<const config::ConfigOf<C>&>(c).value, input); }};
}

}  // namespace

const std::vector<TissueMethod>& tissue_methods() {
  static const char* const kClam = "Lu et al. 2021, Nat Biomed Eng 5:555 (CLAM)";
  static const std::vector<TissueMethod> table = {
      method("absorbance", "absorbs like a stain, not like glass, shadow or pen; areas in um2, odd kernels", "this project", AbsorbanceConfig{},
             segment_absorbance),
      method("clam", "CLAM's segmentation, preset default", kClam, ClamConfig{}, segment_clam),
      method("clam_tcga", "CLAM's segmentation, preset tcga", kClam, ClamConfig::tcga(), segment_clam),
      method("clam_bwh_biopsy", "CLAM's segmentation, preset bwh_biopsy", kClam, ClamConfig::bwh_biopsy(), segment_clam),
      method("clam_bwh_resection", "CLAM's segmentation, preset bwh_resection", kClam, ClamConfig::bwh_resection(), segment_clam),
      method("hsv_otsu", "Otsu's threshold of the median-filtered saturation, every region kept", "Otsu 1979, IEEE Trans SMC 9:62", HsvOtsuConfig{},
             segment_hsv_otsu),
      method("given", "a PNG of your own per slide, non-zero = tissue", "-", GivenMaskConfig{}, segment_given),
  };
  return table;
}

const std::vector<config::ConfigRow>& tissue_method_rows() {
  static const std::vector<config::ConfigRow> rows = [] {
    std::vector<config::ConfigRow> r;
    for (const auto& m : tissue_methods()) r.push_back(m.row);
    return r;
  }();
  return rows;
}

Tissue segment_tissue(const TissueConfig& config, const TissueInput& input) {
  const auto& table = tissue_methods();
  const auto row = std::find_if(table.begin(), table.end(), [&](const TissueMethod& m) { return m.row.name == config.method.name(); });
  EOSIN_ASSERT(row != table.end());
  return row->segment(config.method.config(), input);
}

bool has_dark_background(const Image& overview) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t y = 0; y < overview.height; ++y) {
    const bool whole_row = y == 0 || y == overview.height - 1;
    for (int64_t x = 0; x < overview.width; x += whole_row ? 1 : std::max<int64_t>(1, overview.width - 1)) {
      const uint8_t* p = overview.row(y) + 3 * x;
      sum += 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      ++n;
    }
  }
  return n > 0 && sum / static_cast<double>(n) < kDarkLuminance;
}

}  // namespace eosin::data
