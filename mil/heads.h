#pragma once
// The slide-level heads that a config may name: `head: {name: abmil, ...}`.
#include "core/base/config.h"
#include "mil/head.h"

#include <memory>
#include <vector>

namespace eosin::mil {

/// What every head is told besides its own config.
struct HeadShape {
  int64_t in_dim = 0, n_outputs = 0;
};

const std::vector<config::ConfigRow>& head_table();
/// The head with initial weights.
///
/// Errors   Config if a size is not positive, or the head cannot have so many outputs.
std::shared_ptr<Head> make_head(const config::Choice& head, const HeadShape& shape, uint64_t seed);

}  // namespace eosin::mil
