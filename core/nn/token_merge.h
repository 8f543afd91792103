#pragma once
// Token merging: similar tokens of a sequence become one between the attention and the feed-forward part of a block.
// ToMe (Bolya et al. 2023, arXiv:2210.09461) and PiToMe, which spares tokens that resemble few others (Tran et al. 2024, arXiv:2405.16148).
#include "core/base/config.h"
#include "core/tensor/tensor.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct TokenMergeConfig {
  std::string method = "none";
  int64_t r = 0;
  double inflect = 0;
  std::vector<int64_t> r_of_block;
  double ratio = 0.9, alpha = 1;
  std::vector<double> margins = {0.5};
  bool proportional_attention = true;

  void visit(config::Visitor& v) {
    v("method", method, "merging of similar tokens in every block", config::OneOf{{"none", "tome", "pitome", "pitome_bsm"}});
    v("r", r, "tome: tokens that each block loses", config::Range{0, 1 << 20});
    v("inflect", inflect, "tome: slope of r over the depth; 1: from 0 to 2r, -1: from 2r to 0", config::Range{-1, 1});
    v("r_of_block", r_of_block, "tome: one number a block in place of r and inflect; 0 for those that are missing", config::Range{0, 1 << 20});
    v("ratio", ratio, "pitome: share of tokens that each block keeps", config::Range{0.5, 1});
    v("margins", margins, "pitome: similarity from which a token counts as redundant; one number, or one a block", config::Range{-1, 1});
    v("alpha", alpha, "pitome: slope of the energy below the margin", config::Range{0, 100});
    v("proportional_attention", proportional_attention, "a merged token weighs in attention as many as it stands for");
  }
  /// Config error: a ratio below 0.5 (pairs can merge, not more), margins for another depth.
  void check(int64_t depth) const;
};

/// The tokens that each of `depth` blocks loses: constant, or rising linearly from (1 - inflect) r to 2r less that.
std::vector<int64_t> tome_schedule(int64_t r, double inflect, int64_t depth);

/// Which output token each token becomes part of.
struct MergePlan {
  Tensor slots_BN;    // int64
  int64_t count = 0;  // output tokens a sequence
};
/// The r tokens at even positions that are most like one at an odd position join that one. r is cut to half of the unprotected tokens.
/// Output: the others of the even positions (by falling score; with a class token, in order), then the odd positions; with a
/// distillation token (position 1), class and distillation token first.
///
/// Shapes   metric_BND: what similarity is measured on, the mean of the heads' keys.
/// Checked  golden nn.token_merge; tests/nn/test_token_merge.cpp.
MergePlan tome_plan(const Tensor& metric_BND, int64_t r, bool class_token, bool distill_token = false);
/// r = floor(T - T ratio) of the T tokens without the class token merge. Energy: mean over all tokens of ELU(cosine - margin; alpha).
/// pitome: the 2r of greatest energy in pairs, even ranks into their most similar odd rank; output class, protected by falling energy, merged.
/// whole_list (pitome_bsm): even and odd ranks of all tokens, the r best pairs; output class, unmerged even by falling score, odd.
///
/// Errors   Config if ratio < 0.5.
/// Checked  golden nn.token_merge.
MergePlan pitome_plan(const Tensor& metric_BND, double ratio, double margin, double alpha, bool class_token, bool whole_list = false);
/// The plan of sequences with `count` more tokens at position `at`, which stay alone; the tokens before `at` keep their slots.
MergePlan with_kept_tokens(const MergePlan& plan, int64_t at, int64_t count);

/// Means of the tokens that merge, each weighed by `size_BN1` (how many it stands for), and the new sizes.
struct MergedTokens {
  Tensor tokens_BND, size_BN1;
};
MergedTokens merge_tokens(const MergePlan& plan, const Tensor& tokens_BND, const Tensor& size_BN1);
/// [B, count, N] uint8: 1 where token n belongs to the merged token.
Tensor merge_sources(const MergePlan& plan);

}  // namespace eosin::nn
