#include "core/nn/model_config.h"

#include "core/base/error.h"
#include "core/nn/config_json.h"

#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

/// Tries the families one after the other; `found` is left as it is if there is none.
template <size_t I = 0>
void read_family(const nlohmann::json& json, const std::string& where, std::optional<ModelConfig>& found) {
  if constexpr (I < std::variant_size_v<ModelConfig>) {
    std::variant_alternative_t<I, ModelConfig> config;
    if (!json.is_object() || !json.contains(config.kFamily)) return read_family<I + 1>(json, where, found);
    read_description(json[config.kFamily], config::visit_of(config), where);
    config.check();
    found = std::move(config);
  }
}

}  // namespace

std::string family_of(const ModelConfig& model) {
  return std::visit([](const auto& c) { return std::string(c.kFamily); }, model);
}

const VitConfig& vit_of(const ModelConfig& model) {
  const auto* vit = std::get_if<VitConfig>(&model);
  EOSIN_CHECK(vit, Config, "[model] need a vision transformer (got a {})", family_of(model));
  return *vit;
}
VitConfig& vit_of(ModelConfig& model) { return const_cast<VitConfig&>(vit_of(std::as_const(model))); }

const std::vector<int64_t>& image_size(const ModelConfig& model) {
  return std::visit([](const auto& c) -> const std::vector<int64_t>& { return c.img_size; }, model);
}

void set_image_size(ModelConfig& model, const std::vector<int64_t>& size) {
  std::visit([&](auto& c) { c.img_size = size; }, model);
}

int64_t token_dim(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.token_dim(); }, model);
}

int64_t feature_dim(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.feature_dim(); }, model);
}

int64_t summary_dim(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.summary_dim(); }, model);
}

int64_t size_multiple(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.size_multiple(); }, model);
}

int64_t least_size(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.least_size(); }, model);
}

int64_t blocks(const ModelConfig& model) {
  return std::visit([](const auto& c) { return c.blocks(); }, model);
}

std::string layer_name(const ModelConfig& model, const std::string& parameter) {
  return std::visit([&](const auto& c) { return c.layer_name(parameter); }, model);
}

int64_t kept_elements(const ModelConfig& model, int64_t height, int64_t width) {
  return std::visit([&](const auto& c) { return c.kept_elements(height, width); }, model);
}

void check(const ModelConfig& model) {
  std::visit([](const auto& c) { c.check(); }, model);
}

nlohmann::ordered_json to_json(const ModelConfig& model) {
  return std::visit([](auto copy) { return nlohmann::ordered_json{{copy.kFamily, config::to_json(config::visit_of(copy))}}; }, model);
}

ModelConfig model_config_from_json(const nlohmann::json& json, const std::string& where) {
  std::optional<ModelConfig> found;
  read_family(json, where, found);
  EOSIN_CHECK(found, Data, "[{}] the encoder's description names no family of models that this version knows", where);
  return *found;
}

}  // namespace eosin::nn
