#pragma once
// The rows of the table: a head or a baseline under one protocol, with its predictions for every split's test bags.
#include "apps/mil_protocol.h"
#include "eval/scoring.h"
#include "mil/trial_records.h"

#include <string>
#include <vector>

namespace eosin::apps {

/// Predictions for the test bags of one split, by one seed.
struct ArmFold {
  size_t split = 0;
  uint64_t seed = 0;
  std::string key;  // of the model that was chosen; empty: it is no head
  eval::FoldResult result;
  nlohmann::ordered_json fit;  // what was chosen: rates, epoch, threshold
};
struct Arm {
  std::string name, kind;  // kind: head or baseline
  std::string protocol;
  std::vector<ArmFold> folds;  // without those of models that failed
};

/// All models that the config asks for: heads x protocols x splits x seeds x rates.
std::vector<mil::Trial> make_trials(const MilConfig& config, const std::vector<Arena>& arenas);
/// The heads' arms from finished models: of every split and seed the rates with the best validation.
std::vector<Arm> head_arms(const MilConfig& config, const MilInputs& inputs, const std::vector<Arena>& arenas, const mil::TrialRecords& records);
/// Baselines that are no heads, fitted on mean features, or on clinical columns where there are some; of targets one model each. None of survival.
std::vector<Arm> feature_arms(const MilConfig& config, const MilInputs& inputs, const eval::SplitPlan& plan);

}  // namespace eosin::apps
