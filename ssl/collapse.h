#pragma once
// Signs of collapse that a step can read off its targets. The loss alone proves nothing: it is low when everything is one point.
#include "ssl/soft_targets.h"

#include <string>
#include <utility>
#include <vector>

namespace eosin::ssl {

/// Measures of the teacher's targets, as scalars on their device:
///   teacher_entropy  mean entropy of a row: 0 when targets are one-hot, log K when they are uniform (both for ever are collapse)
///   kl_to_uniform    log K - entropy of the mean row: 0 when the prototypes share the batch evenly, log K when one takes all
///   prototype_usage  distinct first choices over min(rows, K): small when few prototypes take all
///
/// Units    nats.
/// Checked  tests/ssl/test_dino_parts.cpp: one-hot, uniform, one for all.
std::vector<std::pair<std::string, Tensor>> collapse_measures(const SoftTargets& targets);
/// The same of probabilities that exist.
///
/// Shapes   targets_NK.
std::vector<std::pair<std::string, Tensor>> collapse_measures(const Tensor& targets_NK);

/// embedding_spread: the mean standard deviation of the normalised embeddings' coordinates, times sqrt(D): about 1 when they lie all round
/// the sphere, 0 when all are one point.
///
/// Shapes   embeddings_ND.
/// Checked  tests/ssl/test_simclr.cpp.
std::pair<std::string, Tensor> embedding_spread(const Tensor& embeddings_ND);

}  // namespace eosin::ssl
