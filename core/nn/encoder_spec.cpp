#include "core/nn/encoder_spec.h"

#include "core/base/error.h"

#include <nlohmann/json.hpp>

namespace eosin::nn {

nlohmann::ordered_json to_json(const EncoderSpec& spec) {
  nlohmann::ordered_json out = to_json(spec.model);
  out.update({{"mean", spec.mean},
              {"std", spec.std},
              {"interpolation", spec.interpolation},
              {"crop_pct", spec.crop_pct},
              {"image_size_px", spec.image_size_px}});
  return out;
}

EncoderSpec encoder_spec_from_json(const nlohmann::json& json, const std::string& where) {
  EncoderSpec spec;
  try {
    spec.model = model_config_from_json(json, where);
    spec.mean = json.at("mean").get<std::vector<double>>();
    spec.std = json.at("std").get<std::vector<double>>();
    spec.interpolation = json.at("interpolation").get<std::string>();
    spec.crop_pct = json.at("crop_pct").get<double>();
    spec.image_size_px = json.value("image_size_px", int64_t{0});
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::Data, "[{}] the encoder's description is incomplete: {}", where, e.what());
  }
  return spec;
}

}  // namespace eosin::nn
