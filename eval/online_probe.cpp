#include "eval/online_probe.h"

#include "eval/classification.h"
#include "eval/knn.h"
#include "eval/linear_probe.h"
#include "eval/representation.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

using Values = std::vector<std::pair<std::string, double>>;

/// Mean distance on the unit sphere to the nearest other row.
double nearest_distance(const Tensor& x_ND) {
  RowTransform unit;
  unit.unit = true;
  const Neighbors two = nearest_neighbors(x_ND, x_ND, 2, Similarity::Dot, unit);  // a row, or a copy of it, and the next
  double sum = 0;
  for (int64_t i = 0; i < two.queries; ++i) sum += std::sqrt(std::max(0.0, 2 - 2 * two.similarity[static_cast<size_t>(2 * i + 1)]));
  return sum / static_cast<double>(two.queries);
}

void add_accuracies(const std::string& probe, const ProbeFeatures& f, const std::vector<int64_t>& pred, Values& values) {
  values.emplace_back(probe + "_accuracy", accuracy(f.query_labels, pred, f.num_classes));
  values.emplace_back(probe + "_balanced_accuracy", balanced_accuracy(confusion(f.query_labels, pred, f.num_classes)));
}

std::vector<int64_t> linear_predictions(const ProbeFeatures& f) {
  LinearProbeOptions options;
  options.transform = RowTransform::standardized(f.keys_ND);
  return argmax_rows(fit_linear_probe(f.keys_ND, f.key_labels, f.num_classes, options).probabilities(f.queries_MD));
}

}  // namespace

Values online_probe(const ProbeFeatures& f, int64_t k, bool linear) {
  Values values;
  const Rank centred = rank_of(singular_values(f.keys_ND, true));
  values.emplace_back("rankme", rankme(singular_values(f.keys_ND, false)));
  values.emplace_back("effective_rank", centred.effective);
  values.emplace_back("stable_rank", centred.stable);
  values.emplace_back("mean_cosine", mean_pairwise_cosine(f.keys_ND));
  values.emplace_back("collapsed_dims", collapsed_share(f.keys_ND));
  values.emplace_back("nearest_distance", nearest_distance(f.keys_ND));
  if (f.key_labels.empty()) return values;
  KnnOptions options;
  options.k = {std::min<int64_t>(k, f.keys_ND.size(0))};
  options.transform.unit = true;
  const auto pred = knn_classify(f.keys_ND, f.key_labels, f.queries_MD, f.num_classes, options).front().pred;
  add_accuracies("knn", f, pred, values);
  if (linear) add_accuracies("linear", f, linear_predictions(f), values);
  return values;
}

std::vector<std::string> online_probe_names(bool linear) {
  std::vector<std::string> names = {"rankme",         "effective_rank",   "stable_rank",  "mean_cosine",
                                    "collapsed_dims", "nearest_distance", "knn_accuracy", "knn_balanced_accuracy"};
  if (linear) names.insert(names.end(), {"linear_accuracy", "linear_balanced_accuracy"});
  return names;
}

}  // namespace eosin::eval
