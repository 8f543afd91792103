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
/// Whether a bag's answer depends on where its tiles lie: on coordinates, or on the order of the tiles. A head around another is as that one.
bool uses_places(const config::Choice& head);
/// The head with initial weights.
///
/// Errors   Config if a size is not positive, or the head cannot have so many outputs.
std::shared_ptr<Head> make_head(const config::Choice& head, const HeadShape& shape, uint64_t seed);

/// The head with weights that a model was left with. `where` names them in messages.
///
/// Errors   as make_head; Data if a tensor is missing, of another shape, or one too many.
std::shared_ptr<Head> load_head(const config::Choice& head, const HeadShape& shape, const TensorMap& weights, const std::string& where);

}  // namespace eosin::mil
