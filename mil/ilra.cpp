#include "mil/ilra.h"

#include "core/base/error.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

/// Glorot's uniform bound of a [1, rows, columns] parameter as torch counts its fans.
void init_rows(const Tensor& t, uint64_t seed, const std::string& name) {
  nn::init_xavier(t, t.size(1) * t.size(2), t.size(0) * t.size(2), seed, name);
}

}  // namespace

void IlraConfig::validate(config::Problems& p) const {
  if (dim % num_heads != 0) p.add("dim", fmt::format("{} is no multiple of num_heads={}", dim, num_heads));
}

MabImpl::MabImpl(int64_t query_dim, int64_t key_dim, int64_t dim, int64_t num_heads, bool ln, bool gated)
    : num_heads_(num_heads),
      fc_q_(add_linear(*this, "fc_q", query_dim, dim)),
      fc_k_(add_linear(*this, "fc_k", key_dim, dim)),
      fc_v_(add_linear(*this, "fc_v", key_dim, dim)),
      fc_o_(add_linear(*this, "fc_o", dim, dim)),
      out_proj_(add_linear(*this, "multihead_attn.out_proj", dim, dim)),
      in_proj_weight_(add_parameter(*this, "multihead_attn.in_proj_weight", {3 * dim, dim})),
      in_proj_bias_(add_parameter(*this, "multihead_attn.in_proj_bias", {3 * dim})) {
  if (gated) gate_ = add_linear(*this, "gate.0", query_dim, dim);
  if (ln) ln0_ = add_norm(*this, "ln0", dim), ln1_ = add_norm(*this, "ln1", dim);
}

Tensor MabImpl::attend(const Tensor& q_nE, const Tensor& k_mE, const Tensor& v_mE) {
  const auto weights = in_proj_weight_.chunk(3), biases = in_proj_bias_.chunk(3);
  const auto heads = [&](const Tensor& x, size_t part) {
    return at::linear(x, weights[part], biases[part]).unflatten(1, {num_heads_, -1}).transpose(0, 1).unsqueeze(0);
  };
  const Tensor mixed = at::scaled_dot_product_attention(heads(q_nE, 0), heads(k_mE, 1), heads(v_mE, 2));
  return out_proj_(mixed[0].transpose(0, 1).flatten(1));
}

Tensor MabImpl::forward(const Tensor& queries, const Tensor& keys) {
  const Tensor q = fc_q_(queries);
  Tensor o = q + attend(q, fc_k_(keys), fc_v_(keys));
  if (!ln0_.is_empty()) o = ln0_(o);
  o = o + fc_o_(o).relu();
  if (!ln1_.is_empty()) o = ln1_(o);
  return gate_.is_empty() ? o : o * at::silu(gate_(queries));
}

Ilra::Ilra(const IlraConfig& config, int64_t in_dim, int64_t n_outputs) : in_dim_(in_dim) {
  int64_t width = in_dim;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string path = fmt::format("gab_blocks.{}", i);
    torch::nn::Module& block = module_at(*this, path);
    blocks_.push_back({add_parameter(*this, path + ".latent", {1, config.rank, config.dim}),
                       block.register_module("project_forward", Mab(config.dim, width, config.dim, config.num_heads, config.ln, true)),
                       block.register_module("project_backward", Mab(width, config.dim, config.dim, config.num_heads, config.ln, true))});
    width = config.dim;
  }
  query_11E_ = add_parameter(*this, "pooling.S", {1, 1, config.dim});
  pooling_ = module_at(*this, "pooling").register_module("mha", Mab(config.dim, config.dim, config.dim, config.num_heads, config.ln, false));
  classifier_ = add_linear(*this, "classifier", config.dim, n_outputs);
}

void Ilra::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  for (const auto& p : named_parameters()) {
    if (p.value().dim() == 3) init_rows(p.value(), seed, p.key());
    if (p.key().ends_with("in_proj_weight")) nn::init_xavier(p.value(), p.value().size(1), p.value().size(0), seed, p.key());
  }
}

HeadOutput Ilra::forward(const BagBatch& bags, const Pass&) {
  check_bags(bags, in_dim_);
  std::vector<Tensor> embeddings;
  for (const Tensor& rows : split_bags(bags.features_ND.to(query_11E_.scalar_type()), bags.offsets)) {
    Tensor x = rows;
    for (Block& block : blocks_) x = block.backward(x, block.forward(block.latent_1RE[0], x));
    embeddings.push_back(pooling_(query_11E_[0], x)[0]);
  }
  HeadOutput out;
  out.embedding_BE = at::stack(embeddings);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
