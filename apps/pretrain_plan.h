#pragma once
#include "apps/pretrain_config.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace eosin::apps {

/// What `eosin pretrain --dry-run` prints: the resolved config, how much there is to do, the views with their effective probabilities,
/// the memory that a rank will take, and the time that the encoder's products alone take at this machine's rate of matrix products, which is
/// measured on the spot (a GPU's where the run would have one). Opens the tile store and writes nothing.
nlohmann::ordered_json plan_of(const PretrainConfig& config, int world);

/// Bytes that one rank needs, predicted from the shapes: weights, gradients and moments of the student, the teacher, and what the
/// backward pass keeps of one micro-batch.
struct MemoryPlan {
  int64_t parameters = 0;  // that are trained
  bool has_teacher = false;
  int64_t weights_bytes = 0, activation_bytes = 0;
};
MemoryPlan predict_memory(const PretrainConfig& config, int64_t micro_batch, const data::ClassList& classes = {});

/// Floating-point operations of a vision transformer for the views of one tile (none for other families): products of the linear layers and of
/// attention, forward once and backward twice for all views, forward once more for the global ones where there is a teacher. Heads, norms and the
/// optimizer are left out.
///
/// Checked  tests/apps/test_pretrain_config.cpp: ViT-S/16 and L/16 at 2 x 224 + 8 x 96.
std::optional<double> encoder_flops(const PretrainConfig& config, bool has_teacher);

}  // namespace eosin::apps
