#include "eval/robustness_protocol.h"

#include "core/base/error.h"
#include "eval/classification.h"
#include "eval/robustness.h"
#include "eval/slide_collapse.h"

#include <algorithm>
#include <map>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

/// Rows of other groups that every row has.
int64_t most_neighbors(const LabelledSet& set) {
  std::map<int64_t, int64_t> size;
  for (int64_t g : set.group) ++size[g];
  int64_t largest = 0;
  for (const auto& [group, rows] : size) largest = std::max(largest, rows);
  return static_cast<int64_t>(set.ids.size()) - largest;
}

std::vector<int64_t> candidates(const RobustnessProtocol& p, int64_t most) {
  if (p.k > 0) return {p.k};
  std::vector<int64_t> k;
  for (int64_t i = 1; i <= std::min(p.max_k, most); i += i < 11 ? 2 : 10) k.push_back(i);
  return k;
}

/// Predictions by the votes of the first k neighbours.
Predictions votes(const LabelledSet& set, const TileOrigins& tiles, const TileNeighbors& near, int64_t k) {
  Predictions p{static_cast<int64_t>(set.classes.size()),
                set.target,
                {},
                Matrix(static_cast<int64_t>(set.ids.size()), static_cast<int64_t>(set.classes.size()))};
  for (int64_t i = 0; i < p.prob_NC.rows; ++i) {
    const auto first = near.of(i).first(static_cast<size_t>(k));
    for (int64_t j : first) p.prob_NC(i, set.target[j]) += 1;
    for (double& votes : p.prob_NC.row(i)) votes /= static_cast<double>(k);
    p.pred.push_back(majority_class(tiles, first));
  }
  return p;
}

/// Whether rows cluster by slide; why not, where that cannot be asked.
Json collapse_of(const LabelledSet& set) {
  constexpr int64_t kNeighbors = 50;
  try {
    const SlideCollapse c =
        slide_collapse(set.features_ND, set.group, set.target, std::min<int64_t>(kNeighbors, static_cast<int64_t>(set.ids.size()) - 1));
    return {{"same_group_neighbors", c.same_slide_fraction},
            {"chance", c.chance},
            {"lift", c.lift},
            {"group_variance_share", c.slide_variance_share},
            {"silhouette_group", c.silhouette_slide},
            {"silhouette_class", c.silhouette_class}};
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data) throw;
    return {{"why", e.what()}};
  }
}

}  // namespace

void RobustnessProtocol::visit(config::Visitor& v) {
  v("k", k, "neighbours; 0: the number with the best balanced accuracy", config::Range{0, 1e6});
  v("max_k", max_k, "most neighbours that are tried for that", config::Range{1, 1e6});
}

ProtocolResult run_robustness(const RobustnessProtocol& p, const LabelledSet& set) {
  EOSIN_CHECK(!set.site.empty() && set.sites.size() >= 2, Data,
              "[eval.robustness] needs the medical centre of every row, and at least two (got {}); name their column as columns.site",
              set.sites.size());
  const int64_t most = most_neighbors(set);
  EOSIN_CHECK(most >= std::max<int64_t>(1, p.k), Data, "[eval.robustness] a row has {} rows of other groups to be its neighbours (need {})", most,
              std::max<int64_t>(1, p.k));
  const std::vector<int64_t> ks = candidates(p, most);
  const TileOrigins tiles{set.target, set.site, set.group, {}};
  const TileNeighbors near = tile_neighbors(set.features_ND, tiles, ks.back());
  ProtocolResult best;
  double best_accuracy = -1;
  int64_t k = 0;
  Json tried = Json::array();
  for (const int64_t candidate : ks) {
    Predictions said = votes(set, tiles, near, candidate);
    const double accuracy = balanced_accuracy(confusion(said.target, said.pred, said.num_classes));
    tried.push_back({candidate, accuracy});
    if (accuracy > best_accuracy) best_accuracy = accuracy, k = candidate, best.predictions = std::move(said);
  }
  RowMeasure index{"robustness_index", {}, {}};
  std::array<double, 4> count{};
  for (int64_t i = 0; i < best.predictions.prob_NC.rows; ++i) {
    std::array<double, 4> own{};
    for (int64_t j : near.of(i).first(static_cast<size_t>(k))) own[static_cast<size_t>(kind_of(tiles, i, j))] += 1;
    for (size_t kind = 0; kind < 4; ++kind) count[kind] += own[kind];
    index.value.push_back(own[1]), index.per.push_back(own[1] + own[2]);
  }
  best.measures.push_back(std::move(index));
  const double all = static_cast<double>(k * best.predictions.prob_NC.rows);
  best.fit = {{"k", k},
              {"k_chosen_by", p.k > 0 ? "given" : "balanced accuracy of the neighbours' votes"},
              {"sites", set.sites},
              {"same_class_same_site", count[0] / all},
              {"same_class_other_site", count[1] / all},
              {"other_class_same_site", count[2] / all},
              {"other_class_other_site", count[3] / all},
              {"balanced_accuracy_by_k", std::move(tried)},
              {"slide_collapse", collapse_of(set)}};
  return best;
}

}  // namespace eosin::eval
