#include "eval/protocol.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "eval/calibration.h"
#include "eval/classification.h"
#include "eval/cluster_protocol.h"
#include "eval/knn.h"
#include "eval/linear_probe.h"
#include "eval/prototype_protocol.h"
#include "eval/retrieval_protocol.h"
#include "eval/ridge_protocol.h"
#include "eval/robustness_protocol.h"
#include "eval/sgd_protocol.h"
#include "eval/split.h"

#include <algorithm>
#include <limits>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

int64_t classes_of(const LabelledSet& set) { return static_cast<int64_t>(set.classes.size()); }

/// Votes as shares, so that they can be scored as probabilities.
Matrix shares(Matrix votes) {
  for (int64_t i = 0; i < votes.rows; ++i) {
    double sum = 0;
    for (double v : votes.row(i)) sum += v;
    for (double& v : votes.row(i)) v = sum > 0 ? v / sum : 1 / static_cast<double>(votes.cols);
  }
  return votes;
}

ProtocolResult run_knn(const KnnProtocol& protocol, const LabelledSet& train, const LabelledSet& test) {
  KnnOptions o;
  if (protocol.vote == "uni")
    o = uni_knn_options(train.features_ND, protocol.k);
  else {
    o.vote = protocol.vote == "majority" ? KnnVote::Majority : KnnVote::Dino;
    o.transform.unit = true;
  }
  o.k = {protocol.k};
  o.temperature = protocol.temperature;
  KnnPrediction p = std::move(knn_classify(train.features_ND, train.target, test.features_ND, classes_of(train), o).front());
  Json fit{{"k", protocol.k}, {"vote", protocol.vote}, {"keys", train.ids.size()}};
  return {{classes_of(train), test.target, std::move(p.pred), shares(std::move(p.score_MC))}, std::move(fit)};
}

RowTransform scaling_of(const std::string& name, const Tensor& x_ND) {
  if (name == "standardize") return RowTransform::standardized(x_ND);
  RowTransform t;
  t.unit = name == "unit";
  return t;
}

LinearProbe fit(const LinearProtocol& protocol, const LabelledSet& train, std::optional<double> C, const LinearProbe* warm = nullptr) {
  LinearProbeOptions o;
  o.C = C;
  o.penalty = protocol.penalty == "l2_norm" ? Penalty::L2Norm : Penalty::L2Squared;
  o.balanced = protocol.balanced;
  o.transform = scaling_of(protocol.scaling, train.features_ND);
  o.solver.max_iterations = protocol.max_iterations;
  o.solver.tolerance = protocol.tolerance;
  return fit_linear_probe(train.features_ND, train.target, classes_of(train), o, warm);
}

/// The C with the least log loss over group folds inside the training rows; fits start from the one before.
double cost_by_group_folds(const LinearProtocol& protocol, const LabelledSet& train) {
  std::vector<double> grid = protocol.C_grid, loss(grid.size());
  std::sort(grid.begin(), grid.end());
  const Folds folds = group_folds(train.target, train.group, classes_of(train), protocol.cost_folds);
  for (int64_t f = 0; f < protocol.cost_folds; ++f) {
    std::vector<int64_t> inside, outside;
    for (size_t i = 0; i < folds.fold.size(); ++i) (folds.fold[i] == f ? outside : inside).push_back(static_cast<int64_t>(i));
    const LabelledSet fitted = train.rows(inside), held = train.rows(outside);
    std::optional<LinearProbe> probe;
    for (size_t c = 0; c < grid.size(); ++c) {
      probe = fit(protocol, fitted, grid[c], probe ? &*probe : nullptr);
      loss[c] += log_loss(held.target, probe->probabilities(held.features_ND)) * static_cast<double>(outside.size());
    }
  }
  return grid[static_cast<size_t>(std::min_element(loss.begin(), loss.end()) - loss.begin())];
}

/// The probe has a row of weights for every class.
void check_every_class_is_trained(const LabelledSet& train) {
  std::vector<std::string> absent;
  for (size_t c = 0; c < train.classes.size(); ++c)
    if (std::find(train.target.begin(), train.target.end(), static_cast<int64_t>(c)) == train.target.end()) absent.push_back(train.classes[c]);
  EOSIN_CHECK(absent.empty(), Data, "[eval] no training sample of {} ({} of {} classes); leave its rows out, or split otherwise",
              fmt::join(absent, ", "), absent.size(), train.classes.size());
}

ProtocolResult run_linear(const LinearProtocol& protocol, const LabelledSet& train, const LabelledSet& test) {
  check_every_class_is_trained(train);
  std::optional<double> C;
  if (protocol.cost == "fixed") C = protocol.C;
  if (protocol.cost == "group_folds") C = cost_by_group_folds(protocol, train);
  const LinearProbe probe = fit(protocol, train, C);
  if (!probe.converged)
    log::warn("[eval] the linear probe stopped after {} iterations before it converged; raise protocol.max_iterations", probe.iterations);
  Matrix prob = probe.probabilities(test.features_ND);
  std::vector<int64_t> pred = argmax_rows(prob);
  const double train_accuracy = accuracy(train.target, argmax_rows(probe.probabilities(train.features_ND)), classes_of(train));
  Json fit{{"C", probe.C},
           {"C_chosen_by", protocol.cost == "auto"    ? "D * classes / 100"
                           : protocol.cost == "fixed" ? "given"
                                                      : "group folds inside the training rows"},
           {"scaling", protocol.scaling},
           {"iterations", probe.iterations},
           {"converged", probe.converged},
           {"train_accuracy", train_accuracy}};
  return {{classes_of(train), test.target, std::move(pred), std::move(prob)}, std::move(fit)};
}

}  // namespace

void KnnProtocol::visit(config::Visitor& v) {
  v("k", k, "neighbours", config::Range{1, 1e6});
  v("vote", vote, "dino: exp(cosine / temperature); majority: one vote each, cosine; uni: centred, unit, Euclidean, majority",
    config::OneOf{{"dino", "majority", "uni"}});
  v("temperature", temperature, "of dino's vote", config::Range{0, 100, config::kOpenLow});
}

void LinearProtocol::visit(config::Visitor& v) {
  v("cost", cost, "how C is chosen: auto = width * classes / 100; fixed = C; group_folds = least log loss over folds of training groups",
    config::OneOf{{"auto", "fixed", "group_folds"}});
  v("C", C, "inverse regularisation when cost is fixed", config::Range{0, 1e12, config::kOpenLow});
  v("C_grid", C_grid, "values that group_folds tries", config::Range{0, 1e12, config::kOpenLow}, config::Length{1, 1000});
  v("cost_folds", cost_folds, "folds of group_folds", config::Range{2, 100});
  v("scaling", scaling, "of features, fitted on training rows", config::OneOf{{"standardize", "unit", "none"}});
  v("balanced", balanced, "weight classes inversely to their frequency");
  v("penalty", penalty, "l2_squared = C sum CE + |W|^2/2; l2_norm = mean CE + |W|/(2C), as UNI's code", config::OneOf{{"l2_squared", "l2_norm"}});
  v("max_iterations", max_iterations, "of L-BFGS", config::Range{1, 1e6});
  v("tolerance", tolerance, "L-BFGS has converged when no element of the gradient exceeds this share of the objective",
    config::Range{0, 1, config::kOpenLow});
}

void LinearProtocol::validate(config::Problems& p) const {
  if (cost == "group_folds" && penalty == "l2_norm") p.add("cost", "group_folds needs penalty l2_squared");
}

const std::vector<config::ConfigRow>& protocols() {
  static const std::vector<config::ConfigRow> table = {
      {"knn", "k nearest neighbours, weighted by similarity", "Caron et al. 2021, arXiv:2104.14294",
       [] { return std::make_unique<config::ConfigOf<KnnProtocol>>(); }},
      {"linear", "logistic regression by L-BFGS to its minimum", "Chen et al. 2024 (UNI), arXiv:2308.15474",
       [] { return std::make_unique<config::ConfigOf<LinearProtocol>>(); }},
      {"linear_sgd", "linear heads by SGD, over rates and inputs; the best on held-out training patients",
       "Oquab et al. 2023 (DINOv2), arXiv:2304.07193", [] { return std::make_unique<config::ConfigOf<SgdProtocol>>(); }},
      {"simpleshot", "nearest class mean of centred unit rows; few-shot episodes", "Wang et al. 2019, arXiv:1911.04623",
       [] { return std::make_unique<config::ConfigOf<SimpleShotProtocol>>(); }},
      {"retrieval", "test rows look for training rows of their class: Acc@k, majority vote, mean average precision",
       "Chen et al. 2024 (UNI), arXiv:2308.15474", [] { return std::make_unique<config::ConfigOf<RetrievalProtocol>>(); }},
      {"kmeans", "clusters found without labels, named by the training classes in them", "Koemen et al. 2025 (PathoROB), arXiv:2507.17845",
       [] { return std::make_unique<config::ConfigOf<ClusterProtocol>>(); }},
      {"ridge", "numbers, as the expression of genes: principal components, then ridge regression", "Jaume et al. 2024 (HEST-1k), arXiv:2406.16192",
       [] { return std::make_unique<config::ConfigOf<RidgeProtocol>>(); }},
      {"robustness", "whether neighbours share the class or the medical centre: the robustness index",
       "Koemen et al. 2025 (PathoROB), arXiv:2507.17845", [] { return std::make_unique<config::ConfigOf<RobustnessProtocol>>(); }},
  };
  return table;
}

LabelKind labels_of(const config::Choice& protocol) { return protocol.name() == "ridge" ? LabelKind::Numbers : LabelKind::Class; }

bool measures_all_rows(const config::Choice& protocol) { return protocol.name() == "robustness"; }

ProtocolResult run_protocol(const config::Choice& protocol, const LabelledSet& train, const LabelledSet& test) {
  const std::string& name = protocol.name();
  if (name == "knn") return run_knn(protocol.as<KnnProtocol>(), train, test);
  if (name == "simpleshot") return run_simpleshot(protocol.as<SimpleShotProtocol>(), train, test);
  if (name == "retrieval") return run_retrieval(protocol.as<RetrievalProtocol>(), train, test);
  if (name == "linear_sgd") {
    check_every_class_is_trained(train);
    return run_sgd(protocol.as<SgdProtocol>(), train, test);
  }
  if (name == "robustness") return run_robustness(protocol.as<RobustnessProtocol>(), test);
  if (name == "ridge") return run_ridge(protocol.as<RidgeProtocol>(), train, test);
  if (name == "kmeans") return run_clusters(protocol.as<ClusterProtocol>(), train, test);
  return run_linear(protocol.as<LinearProtocol>(), train, test);
}

}  // namespace eosin::eval
