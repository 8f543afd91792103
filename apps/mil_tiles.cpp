#include "apps/mil_tiles.h"

#include "core/base/error.h"
#include "core/tensor/safetensors.h"
#include "eval/one_thread.h"
#include "mil/heads.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

namespace eosin::apps {
namespace {

mil::TileScoreKind kind_of(const std::string& name) {
  return name == "attention" ? mil::TileScoreKind::Attention : name == "logits" ? mil::TileScoreKind::Logits : mil::TileScoreKind::Auto;
}

/// Splits that are the first to test some bag.
std::set<size_t> first_splits(const eval::SplitPlan& plan) {
  std::set<int64_t> tested;
  std::set<size_t> first;
  for (size_t s = 0; s < plan.parts.size(); ++s)
    for (const int64_t b : plan.parts[s].test)
      if (tested.insert(b).second) first.insert(s);
  return first;
}

/// Where the prediction for a bag is: the fold of the arm, and the row in it.
struct Place {
  const ArmFold* fold = nullptr;
  size_t row = 0;
};
std::map<int64_t, Place> first_tests(const Arm& arm, const eval::SplitPlan& plan, uint64_t seed) {
  const auto splits = first_splits(plan);
  std::map<int64_t, Place> places;
  for (const ArmFold& f : arm.folds) {
    if (f.seed != seed || !splits.contains(f.split)) continue;
    for (size_t i = 0; i < f.result.rows.size(); ++i) places.emplace(f.result.rows[i], Place{&f, i});
  }
  return places;
}

ScoredBag predicted(int64_t bag, const Place& place) {
  const eval::Predictions& p = place.fold->result.result.predictions;
  ScoredBag b;
  b.bag = bag, b.split = place.fold->split;
  const bool targets = p.estimate_NT.cols > 0;
  if (!targets) b.target = p.target[place.row];
  if (!p.risk.empty()) return b.answer = {p.risk[place.row]}, b;
  if (!targets) b.predicted = p.pred[place.row];
  const auto row = (targets ? p.estimate_NT : p.prob_NC).row(static_cast<int64_t>(place.row));
  b.answer.assign(row.begin(), row.end());
  return b;
}

}  // namespace

bool looks_at_tiles(const MilConfig& c) {
  const auto& h = c.heatmaps;
  return h.count > 0 || !h.slides.empty() || h.top_tiles > 0 || !h.masks.empty();
}

bool is_looked_through(const MilConfig& c, const eval::SplitPlan& plan, const mil::Trial& t) {
  const bool honest = t.fold < plan.parts.size();  // the honest arena's folds are first, one a split
  return looks_at_tiles(c) && honest && t.head.name() == c.head.name() && !t.shuffled && t.seed == static_cast<uint64_t>(c.run.seed) &&
         first_splits(plan).contains(t.fold);
}

std::string weights_file(const std::string& run_dir, const std::string& key) { return run_dir + "/models/" + key + ".safetensors"; }

std::vector<ScoredBag> score_tiles(const MilConfig& c, const MilInputs& in, const eval::SplitPlan& plan, const Arena& honest, const Arm& arm,
                                   const std::string& run_dir) {
  const at::NoGradGuard no_grad;
  const eval::OneThread one_thread;  // as the models were trained
  const auto places = first_tests(arm, plan, static_cast<uint64_t>(c.run.seed));
  std::map<const ArmFold*, std::vector<int64_t>> bags_of;
  for (const auto& [bag, place] : places) bags_of[place.fold].push_back(bag);
  std::vector<ScoredBag> scored;
  for (const auto& [arm_fold, bags] : bags_of) {
    const mil::Fold& fold = honest.folds[arm_fold->split];
    const std::string file = weights_file(run_dir, arm_fold->key);
    const auto head = mil::load_head(c.head, {in.bags->dim(), fold.task->n_outputs()}, read_safetensors(file).tensors, file);
    in.bags->walk(bags, [&, &order = bags](size_t first, std::span<const data::BagBatch> some) {
      for (size_t k = 0; k < some.size(); ++k) {
        data::BagBatch bag = some[k];
        bag.features_ND = fold.scale.apply(bag.features_ND);
        auto tiles = mil::tile_scores(head->forward(bag, mil::Pass{}), in.outcomes.n_classes, kind_of(c.heatmaps.score));
        if (!tiles) continue;
        EOSIN_CHECK(tiles->score_KN.isfinite().all().item<bool>(), Numeric, "[heat maps] the scores of bag '{}' are not finite", bag.ids.at(0));
        scored.push_back(predicted(order[first + k], places.at(order[first + k])));
        scored.back().tiles = std::move(*tiles);
      }
    });
  }
  std::sort(scored.begin(), scored.end(), [](const ScoredBag& a, const ScoredBag& b) { return a.bag < b.bag; });
  return scored;
}

}  // namespace eosin::apps
