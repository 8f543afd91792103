#pragma once
// Small training sets drawn again and again.
#include "eval/input.h"

#include <cstdint>
#include <vector>

namespace eosin::eval {

/// Rows of one episode, class by class.
struct Episode {
  std::vector<int64_t> support, query;
};

/// For each of the first n_way classes of `class_order`: of its rows, in the order of `permutation`, the first n_shot are support and the next
/// n_query (-1: all the rest) query.
///
/// Errors   Data: an order that is no permutation, a class with fewer than n_shot (+ n_query) rows (names it). Config: n_way outside
///          1 ... classes, n_shot < 1, n_query < -1.
/// Checked  golden eval.few_shot_sampling.
Episode few_shot_episode(Labels target, std::span<const int64_t> class_order, std::span<const int64_t> permutation, int64_t n_way, int64_t n_shot,
                         int64_t n_query = -1);

/// A permutation of 0 ... n-1 from (seed, position): the same for any number of threads.
std::vector<int64_t> drawn_permutation(int64_t n, uint64_t seed, uint64_t position);

}  // namespace eosin::eval
