#pragma once
// What a pretraining run measures of its own encoder while it trains.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace eosin::eval {

/// Features of a fixed audit set. Labels may be empty (health only); with them, keys and queries are different groups (patients).
struct ProbeFeatures {
  Tensor keys_ND;
  std::vector<int64_t> key_labels;
  Tensor queries_MD;
  std::vector<int64_t> query_labels;
  int64_t num_classes = 0;
};

/// rankme, effective_rank (centred), stable_rank, mean_cosine, collapsed_dims (share of columns with deviation below 1e-3) of the keys, and
/// nearest_distance: the mean distance of a key of length 1 to the nearest other one, which KoLeo raises (0: copies of one point).
/// With labels knn_accuracy and knn_balanced_accuracy of the queries: DINO's vote, cosine, `k` neighbours (fewer if there are fewer keys); with
/// `linear` also linear_accuracy and linear_balanced_accuracy: logistic regression on the standardised keys, fit_linear_probe's defaults.
///
/// Errors   as knn_classify and singular_values.
/// Checked  tests/eval/test_representation.cpp.
std::vector<std::pair<std::string, double>> online_probe(const ProbeFeatures& features, int64_t k = 20, bool linear = false);

/// The names of what it measures where there are labels.
std::vector<std::string> online_probe_names(bool linear);

}  // namespace eosin::eval
