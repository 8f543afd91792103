#include "data/view_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.h"

namespace eosin::data {

kernels::ViewRecord record_of(const ViewParams& params) {
  EOSIN_ASSERT(!params.macenko && !params.randstainna);
  kernels::ViewRecord r{};
  r.top = static_cast<int32_t>(params.box.top), r.left = static_cast<int32_t>(params.box.left);
  r.height = static_cast<int32_t>(params.box.height), r.width = static_cast<int32_t>(params.box.width);
  const auto flag = [&r](bool is_set, kernels::ViewFlag f) { r.flags |= is_set ? uint32_t{f} : 0; };
  flag(params.orientation.hflip, kernels::kFlipX);
  flag(params.orientation.vflip, kernels::kFlipY);
  flag(params.orientation.transpose, kernels::kTranspose);
  flag(params.hed.has_value(), kernels::kHed);
  flag(params.jitter.has_value(), kernels::kJitter);
  flag(params.gray, kernels::kGray);
  flag(params.sigma.has_value(), kernels::kBlur);
  flag(params.solarize, kernels::kSolarize);
  const auto to_float = [](double v) { return static_cast<float>(v); };
  if (params.hed) {
    std::transform(params.hed->alpha.begin(), params.hed->alpha.end(), r.hed_alpha, to_float);
    std::transform(params.hed->beta.begin(), params.hed->beta.end(), r.hed_beta, to_float);
  }
  if (params.jitter) {
    std::transform(params.jitter->factors.begin(), params.jitter->factors.end(), r.factors, to_float);
    for (size_t k = 0; k < 4; ++k) r.flags |= static_cast<uint32_t>(params.jitter->order[k]) << (kernels::kOrderShift + 2 * k);
  }
  if (params.sigma) r.sigma = to_float(*params.sigma);
  return r;
}

kernels::ViewRecipe recipe_of(const ViewRule& rule) {
  static_assert(kBlurKernel == 2 * kernels::kGaussianReach + 1);
  kernels::ViewRecipe r{};
  r.size_px = static_cast<int32_t>(rule.size_px);
  r.filter = rule.filter;
  r.box_blur = rule.blur == Blur::kBox;
  r.solarize_threshold = static_cast<float>(rule.solarize_threshold) / 255.0f;
  const PixelStep normalize = normalize_step(rule.mean, rule.std);
  std::copy(normalize.scale.begin(), normalize.scale.end(), r.scale);
  std::copy(normalize.offset.begin(), normalize.offset.end(), r.offset);
  const HedMatrices& hed = hed_matrices();
  std::memcpy(r.hed_of_log, hed.hed_of_log, sizeof r.hed_of_log);
  std::memcpy(r.log_of_hed, hed.log_of_hed, sizeof r.log_of_hed);
  return r;
}

std::vector<DeviceLack> device_lacks(const MultiCropConfig& config) {
  std::vector<DeviceLack> lacks;
  if (config.macenko_p > 0) lacks.push_back({"macenko_p", fmt::format("Macenko augmentation runs on the CPU alone (got {})", config.macenko_p)});
  if (config.randstainna_p > 0) lacks.push_back({"randstainna_p", fmt::format("RandStainNA runs on the CPU alone (got {})", config.randstainna_p)});
  if (config.arithmetic != "fast") lacks.push_back({"arithmetic", fmt::format("'{}' arithmetic runs on the CPU alone", config.arithmetic)});
  return lacks;
}

}  // namespace eosin::data
