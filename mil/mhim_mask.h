#pragma once
// Which tiles a student of MHIM-MIL loses, by its teacher's attention.
#include "core/tensor/tensor.h"
#include "mil/head.h"

namespace eosin::mil {

struct MhimRatios {
  double random = 0, low = 0, high = 0, high_keep_fraction = 1;
};
struct MhimMask {
  Tensor masked, kept;  // int64, ascending
};
/// Permutations that stand for the draws: of all N tiles, and of the ceil(N high / fraction) highest ones. Undefined where not needed.
struct MhimPermutations {
  Tensor random, high;
};
/// How many tiles the permutation of the highest is of.
int64_t high_candidates(int64_t n, const MhimRatios& ratios);
MhimPermutations draw_permutations(int64_t n, const MhimRatios& ratios, DrawKey key);

/// The union of a random part, the lowest, and a random fraction of the highest (Tang et al. 2023, arXiv:2307.15254). Several heads vote: each for
/// its own k; ties go to the larger (for the lowest: smaller) mean attention, then to the lower index.
///
/// Shapes   attention_HN.
/// Checked  golden mil.mhim_mask; tests/mil/test_quirks.cpp.
MhimMask mhim_mask(const Tensor& attention_HN, const MhimRatios& ratios, const MhimPermutations& permutations);

/// Scores of version 2 (Tang et al. 2025): the largest class probability of W (a_i f_i) + b_0, with the first entry of the bias for all classes,
/// which changes nothing.
///
/// Shapes   feature_NE, attention_N -> [N].
/// Checked  golden mil.mhim_score.
Tensor mhim_score(const Tensor& feature_NE, const Tensor& attention_N, const Tensor& weight_CE, const Tensor& bias_C);

}  // namespace eosin::mil
