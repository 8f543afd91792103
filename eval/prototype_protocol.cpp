#include "eval/prototype_protocol.h"

#include "eval/bootstrap.h"
#include "eval/classification.h"
#include "eval/few_shot.h"
#include "eval/prototypes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

int64_t classes_of(const LabelledSet& set) { return static_cast<int64_t>(set.classes.size()); }

Matrix probabilities(Matrix distance) {
  for (int64_t i = 0; i < distance.rows; ++i) {
    const auto row = distance.row(i);
    const double nearest = *std::min_element(row.begin(), row.end());
    double sum = 0;
    for (double& d : row) sum += d = std::exp(nearest * nearest - d * d);
    for (double& d : row) d /= sum;
  }
  return distance;
}

/// Balanced accuracy on the test rows of the prototypes of one drawn support.
double episode(const SimpleShotProtocol& p, int64_t shots, int64_t number, const LabelledSet& train, const LabelledSet& test) {
  const auto permutation =
      drawn_permutation(static_cast<int64_t>(train.target.size()), static_cast<uint64_t>(p.episode_seed), static_cast<uint64_t>(number));
  std::vector<int64_t> classes(train.classes.size());
  std::iota(classes.begin(), classes.end(), int64_t{0});
  const Episode drawn = few_shot_episode(train.target, classes, permutation, classes_of(train), shots);
  const LabelledSet support = train.rows(drawn.support);
  const Prototypes prototypes = Prototypes::fit(support.features_ND, support.target, classes_of(train), {p.center, p.normalize});
  return balanced_accuracy(confusion(test.target, argmin_rows(prototypes.distances(test.features_ND)), classes_of(train)));
}

/// Median and quartiles over episodes, which threads share; an episode is drawn from its own number.
Json few_shot(const SimpleShotProtocol& p, int64_t shots, const LabelledSet& train, const LabelledSet& test) {
  std::vector<double> accuracy(static_cast<size_t>(p.episodes));
  at::parallel_for(0, p.episodes, 1, [&](int64_t first, int64_t last) {
    for (int64_t e = first; e < last; ++e) accuracy[e] = episode(p, shots, e, train, test);
  });
  std::sort(accuracy.begin(), accuracy.end());
  return {{"shots", shots},
          {"episodes", p.episodes},
          {"balanced_accuracy", {{"median", percentile(accuracy, 50)}, {"q1", percentile(accuracy, 25)}, {"q3", percentile(accuracy, 75)}}}};
}

}  // namespace

void SimpleShotProtocol::visit(config::Visitor& v) {
  v("center", center, "subtract the mean of the training rows");
  v("normalize", normalize, "rows to unit length");
  v("shots", shots, "training rows a class in few-shot episodes, e.g. [1, 2, 4, 8, 16]; empty: none", config::Range{1, 1e6}, config::Length{0, 100});
  v("episodes", episodes, "supports drawn for every number of shots", config::Range{1, 1e6});
  v("episode_seed", episode_seed, "of the draws", config::Range{0, 1e18});
}

ProtocolResult run_simpleshot(const SimpleShotProtocol& p, const LabelledSet& train, const LabelledSet& test) {
  const Prototypes prototypes = Prototypes::fit(train.features_ND, train.target, classes_of(train), {p.center, p.normalize});
  const Matrix distance = prototypes.distances(test.features_ND);
  Json fit{
      {"support", train.ids.size()}, {"center", p.center}, {"normalize", p.normalize}, {"episode_seed", p.episode_seed}, {"few_shot", Json::array()}};
  for (int64_t shots : p.shots) fit["few_shot"].push_back(few_shot(p, shots, train, test));
  return {{classes_of(train), test.target, argmin_rows(distance), probabilities(distance)}, std::move(fit)};
}

}  // namespace eosin::eval
