#include "mil/tile_scores.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

bool tells_classes(const HeadOutput& out, int64_t n_classes) {
  return out.attention_by_class && out.attention_KN.defined() && out.attention_KN.size(0) == n_classes;
}

TileScores of_attention(const HeadOutput& out, int64_t n_classes) {
  const bool by_class = tells_classes(out, n_classes);
  const Tensor attention_KN = out.attention_KN.to(at::kDouble);
  if (by_class || attention_KN.size(0) == 1) {
    const Tensor score_KN = out.attention_raw_KN.defined() ? out.attention_raw_KN.to(at::kDouble) : attention_KN;
    return {by_class ? "class attention" : "attention", by_class, score_KN, attention_KN};
  }
  const Tensor mean_1N = attention_KN.mean(0, true);
  return {"attention", false, mean_1N, mean_1N};
}

TileScores of_logits(const HeadOutput& out, int64_t n_classes) {
  const Tensor logits_KN = out.instance_logits_NC.t().to(at::kDouble);
  if (logits_KN.size(0) == n_classes) return {"tile logit", true, logits_KN, {}};
  if (logits_KN.size(0) == 1 && n_classes == 2) return {"tile logit", true, at::cat({-logits_KN, logits_KN}), {}};
  return {"tile logit", false, logits_KN.mean(0, true), {}};
}

}  // namespace

std::optional<TileScores> tile_scores(const HeadOutput& out, int64_t n_classes, TileScoreKind kind) {
  const bool attention = out.attention_KN.defined(), logits = out.instance_logits_NC.defined();
  if (!attention && !logits) return std::nullopt;
  const bool prefers_logits = kind == TileScoreKind::Logits || (kind == TileScoreKind::Auto && !tells_classes(out, n_classes));
  return logits && (prefers_logits || !attention) ? of_logits(out, n_classes) : of_attention(out, n_classes);
}

}  // namespace eosin::mil
