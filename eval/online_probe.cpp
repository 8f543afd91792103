#include "eval/online_probe.h"

#include "eval/classification.h"
#include "eval/knn.h"
#include "eval/representation.h"

#include <algorithm>

namespace eosin::eval {

std::vector<std::pair<std::string, double>> online_probe(const ProbeFeatures& f, int64_t k) {
  std::vector<std::pair<std::string, double>> values;
  const Rank centred = rank_of(singular_values(f.keys_ND, true));
  values.emplace_back("rankme", rankme(singular_values(f.keys_ND, false)));
  values.emplace_back("effective_rank", centred.effective);
  values.emplace_back("stable_rank", centred.stable);
  values.emplace_back("mean_cosine", mean_pairwise_cosine(f.keys_ND));
  values.emplace_back("collapsed_dims", collapsed_share(f.keys_ND));
  if (f.key_labels.empty()) return values;
  KnnOptions options;
  options.k = {std::min<int64_t>(k, f.keys_ND.size(0))};
  options.transform.unit = true;
  const auto pred = knn_classify(f.keys_ND, f.key_labels, f.queries_MD, f.num_classes, options).front().pred;
  values.emplace_back("knn_accuracy", accuracy(f.query_labels, pred, f.num_classes));
  values.emplace_back("knn_balanced_accuracy", balanced_accuracy(confusion(f.query_labels, pred, f.num_classes)));
  return values;
}

}  // namespace eosin::eval
