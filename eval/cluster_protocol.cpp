#include "eval/cluster_protocol.h"

#include "eval/kmeans.h"
#include "eval/robustness.h"

#include <ATen/ATen.h>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

/// Share of each class among the training rows of each cluster, smoothed by the classes' shares of all so that an empty cluster knows something.
Matrix class_shares(const KMeans& k, const LabelledSet& train) {
  const auto classes = static_cast<int64_t>(train.classes.size());
  std::vector<double> prior(train.classes.size());
  for (int64_t t : train.target) prior[t] += 1 / static_cast<double>(train.target.size());
  Matrix count(k.center_KD.rows, classes);
  for (int64_t c = 0; c < count.rows; ++c) std::copy(prior.begin(), prior.end(), count.row(c).begin());
  std::vector<double> size(static_cast<size_t>(count.rows), 1.0);
  for (size_t i = 0; i < k.label.size(); ++i) count(k.label[i], train.target[i]) += 1, size[k.label[i]] += 1;
  for (int64_t c = 0; c < count.rows; ++c)
    for (double& v : count.row(c)) v /= size[c];
  return count;
}

RowTransform transform_of(const std::string& scaling, const Tensor& x_ND) {
  if (scaling == "standardize") return RowTransform::standardized(x_ND);
  return {.unit = scaling == "unit"};
}

}  // namespace

void ClusterProtocol::visit(config::Visitor& v) {
  v("clusters", clusters, "number of clusters; 0: that of the classes", config::Range{0, 1e6});
  v("starts", starts, "k-means++ starts; the run of least inertia counts", config::Range{1, 1e4});
  v("scaling", scaling, "of features, fitted on training rows", config::OneOf{{"unit", "standardize", "none"}});
  v("start_seed", start_seed, "of the starts", config::Range{0, 1e18});
}

ProtocolResult run_clusters(const ClusterProtocol& p, const LabelledSet& train, const LabelledSet& test) {
  const RowTransform transform = transform_of(p.scaling, train.features_ND);
  KMeansOptions o;
  o.clusters = p.clusters > 0 ? p.clusters : static_cast<int64_t>(train.classes.size());
  o.starts = p.starts, o.seed = static_cast<uint64_t>(p.start_seed), o.transform = transform;
  const KMeans fitted = kmeans(train.features_ND, o);
  const std::vector<int64_t> cluster = nearest_center(test.features_ND, fitted.center_KD, transform);
  const Matrix shares = class_shares(fitted, train);
  Predictions predictions{static_cast<int64_t>(train.classes.size()), test.target, {}, Matrix(static_cast<int64_t>(cluster.size()), shares.cols)};
  for (size_t i = 0; i < cluster.size(); ++i) {
    const auto row = shares.row(cluster[i]);
    std::copy(row.begin(), row.end(), predictions.prob_NC.row(static_cast<int64_t>(i)).begin());
    predictions.pred.push_back(argmax(row));
  }
  Json site, score;
  if (test.sites.size() >= 2) {
    const ClusteringScore s = clustering_score(cluster, test.target, test.site);
    site = s.ari_center, score = s.value;
  }
  Json fit{{"clusters", o.clusters},
           {"starts", p.starts},
           {"start_seed", p.start_seed},
           {"scaling", p.scaling},
           {"inertia", fitted.inertia},
           {"converged", fitted.converged},
           {"adjusted_rand_class", adjusted_rand_index(test.target, cluster)},
           {"adjusted_rand_group", test.grouped ? Json(adjusted_rand_index(test.group, cluster)) : Json()},
           {"adjusted_rand_site", site},
           {"clustering_score", score}};
  return {std::move(predictions), std::move(fit)};
}

}  // namespace eosin::eval
