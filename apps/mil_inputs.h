#pragma once
#include "apps/mil_config.h"
#include "data/bag_store.h"
#include "eval/labelled_set.h"
#include "mil/task.h"

#include <memory>

namespace eosin::apps {

/// The cohort as each part sees it; bag b is the same everywhere.
struct MilInputs {
  data::Cohort cohort;
  std::unique_ptr<data::BagStore> bags;
  eval::LabelledSet set;  // a row a bag, its features their mean. Classes by which splits are dealt: of survival censored and event, of targets
                          // up to four strata of the first
  Tensor clinical_BD;     // float32; undefined without clinical columns
  mil::Outcomes outcomes;
};
/// Reads the cohort, and every bag once.
MilInputs read_inputs(const MilConfig& config);

}  // namespace eosin::apps
