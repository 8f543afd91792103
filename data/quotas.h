#pragma once
// How many samples of each group come in every round of an order: whole numbers from sizes, a temperature, a cap and weights.
#include "core/base/config.h"
#include "data/tile_source.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

/// The keys of order `quota`.
struct QuotaConfig {
  std::string by = "slide";
  double temperature = 1;
  int64_t cap = 0;
  std::vector<std::string> weights;
  int64_t round = 0;
  void visit(config::Visitor& v) {
    v("by", by, "what makes a group: slide, patient, site, stain, scanner, store, or a column of the store (class, cluster, ...)");
    v("temperature", temperature, "a group's share is its number of tiles to this power: 1 as they are, 0 all groups alike", config::Range{0, 1});
    v("cap", cap, "a group counts as having at most so many tiles; 0 = no limit", config::Range{0, 1e18});
    v("weights", weights, "factors of single groups, \"NAME=FACTOR\"; 0 leaves a group out, those not named have 1");
    v("round", round, "samples after which every group has had exactly its quota; 0 = 100 for each group, at least 1000", config::Range{0, 1e9});
  }
};

/// Of one group, for the log and the plan.
struct GroupQuota {
  std::string name;
  uint64_t tiles = 0, quota = 0;
};

/// weight_g * min(tiles_g, cap)^temperature, made whole numbers that sum to `round` by the largest remainders (Hamilton's method; of equal
/// remainders the earlier group's). RudolfV's curation is by=cluster with weights, a limit per slide is by=slide with a cap.
///
/// Errors   Config if a weight is no "NAME=FACTOR", names no group (says the nearest) or one twice, or nothing is left.
/// Checked  tests/data/test_tile_order.cpp.
std::vector<GroupQuota> make_quotas(const QuotaConfig& config, const std::vector<TileGroup>& groups);

}  // namespace eosin::data
