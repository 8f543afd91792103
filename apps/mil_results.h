#pragma once
#include "apps/mil_arms.h"
#include "eval/audit.h"

#include <string>
#include <utility>
#include <vector>

namespace eosin::apps {

/// Everything that results.json of a mil run is made of.
struct MilOutcome {
  const MilConfig& config;
  const MilInputs& inputs;
  const eval::SplitPlan& plan;
  const std::vector<eval::AuditRow>& audit;
  const std::vector<std::string>& violations;
  const std::vector<Arena>& arenas;
  const std::vector<Arm>& arms;                                      // the head of the config first, under the honest protocol
  const std::vector<std::pair<std::string, std::string>>& failures;  // key of a model, reason
};

/// In the form that `eosin report` draws: the first arm's metrics and figures, the table of all arms, paired tests of the honest ones with the
/// first (corrected resampled t over folds, Holm), the protocol and what was audited.
nlohmann::ordered_json mil_results(const MilOutcome& outcome);
/// A row a test bag, arm and seed.
std::string mil_predictions(const MilOutcome& outcome);

}  // namespace eosin::apps
