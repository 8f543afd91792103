#pragma once
#include "apps/pretrain_config.h"

#include <nlohmann/json.hpp>

namespace eosin::apps {

/// What `eosin pretrain --dry-run` prints: the resolved config, how much there is to do, the views with their effective probabilities,
/// and the memory that a rank will take. Opens the tile store and writes nothing.
nlohmann::ordered_json plan_of(const PretrainConfig& config, int world);

/// Bytes that one rank needs, predicted from the shapes: weights, gradients and moments of the student, the teacher, and what the
/// backward pass keeps of one micro-batch.
struct MemoryPlan {
  int64_t parameters = 0;  // that are trained
  int64_t weights_bytes = 0, activation_bytes = 0;
};
MemoryPlan predict_memory(const PretrainConfig& config, int64_t micro_batch, const data::ClassList& classes = {});

}  // namespace eosin::apps
