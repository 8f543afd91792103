#include "core/nn/vit_config.h"

#include "core/base/error.h"
#include "core/nn/config_json.h"

#include <nlohmann/json.hpp>

namespace eosin::nn {

int64_t VitConfig::pos_prefix() const {
  if (pos_embed_covers == "patches" || pos_embed_covers == "none") return 0;
  return pos_embed_covers == "class" ? (class_token ? 1 : 0) : prefix_tokens();
}

int64_t VitConfig::kept_elements(int64_t height, int64_t width) const {
  const int64_t tokens = (height / patch_size) * (width / patch_size) + prefix_tokens();
  const int64_t block = 10 * embed_dim + 2 * mlp_hidden;
  return tokens * (grad_checkpointing ? depth * embed_dim + block : depth * block);
}

void VitConfig::check() const {
  EOSIN_CHECK(img_size.size() == 2, Config, "[vit] img_size has {} numbers (need height and width)", img_size.size());
  for (const int64_t side : img_size)
    EOSIN_CHECK(patch_size > 0 && side >= patch_size && side % patch_size == 0, Config,
                "[vit] image size {} is not a multiple of patch size {}; nearest: {} or {}", side, patch_size,
                std::max(side / std::max<int64_t>(patch_size, 1), int64_t{1}) * patch_size,
                (side / std::max<int64_t>(patch_size, 1) + 1) * patch_size);
  EOSIN_CHECK(num_heads > 0 && embed_dim % num_heads == 0, Config, "[vit] embed_dim {} does not divide among {} heads", embed_dim, num_heads);
  EOSIN_CHECK((global_pool == "attention") == (attention_pool.dim > 0) && attention_pool.dim % attention_pool.num_heads == 0, Config,
              "[vit] attention_pool of width {} and {} heads beside global_pool '{}' (need a multiple of the heads with 'attention', else 0)",
              attention_pool.dim, attention_pool.num_heads, global_pool);
  EOSIN_CHECK(class_token || global_pool == "avg" || global_pool == "attention", Config,
              "[vit] global_pool '{}' needs a class token; use global_pool 'avg'", global_pool);
  EOSIN_CHECK(!fc_norm || global_pool == "token" || global_pool == "avg", Config, "[vit] fc_norm is for one token (got global_pool '{}')",
              global_pool);
  EOSIN_CHECK(depth > 0 && mlp_hidden > 0, Config, "[vit] depth {} and mlp_hidden {} must be positive", depth, mlp_hidden);
  EOSIN_CHECK(!rope.enabled || embed_dim / num_heads % 4 == 0, Config, "[vit] rope needs heads of a multiple of 4 (got {} / {} = {})", embed_dim,
              num_heads, embed_dim / num_heads);
  token_merge.check(depth);
  EOSIN_CHECK(token_merge.method == "none" || drop_path_rate == 0, Config,
              "[vit] token_merge needs drop_path_rate 0 (got {}): a sequence that skips attention has no keys to compare", drop_path_rate);
  EOSIN_CHECK(token_merge.method == "none" || !grad_checkpointing, Config,
              "[vit] token_merge and grad_checkpointing do not go together: what merges is not computed twice");
}

nlohmann::ordered_json to_json(const VitConfig& config) {
  VitConfig copy = config;
  return config::to_json(config::visit_of(copy));
}

VitConfig vit_config_from_json(const nlohmann::json& json, const std::string& where) {
  VitConfig config;
  read_description(json, config::visit_of(config), where);
  config.check();
  return config;
}

}  // namespace eosin::nn
