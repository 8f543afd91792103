#pragma once
// The order in which a run draws the tiles of a source; a way to choose it is one row of the table in tile_order.cpp.
#include "core/base/config.h"
#include "data/quotas.h"
#include "data/sampler.h"
#include "data/tile_source.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// The names, for config::Choice and `eosin list order`.
const std::vector<config::ConfigRow>& tile_orders();

/// A pure function from position to tile: the state of a run is one integer. Thread-safe.
/// Checked  tests/data/test_tile_order.cpp; the samplers by golden data.sampler.
class TileOrder {
 public:
  /// Errors   Config: the source is empty, knows no such groups, quotas that cannot be; Io, Data: a schedule that cannot be read.
  TileOrder(const config::Choice& choice, const TileSource& source, uint64_t seed);

  uint64_t at(uint64_t position) const;
  /// What is drawn instead when the tile at `position` cannot be read; attempt 1, 2, ... Of the same group, unless that seems to be all bad.
  uint64_t replacement(uint64_t position, uint64_t attempt) const;
  /// As Sampler::window.
  std::optional<SampleWindow> window(uint64_t position) const { return sampler_->window(position); }

  /// Of orders that have groups; else empty.
  const std::vector<GroupQuota>& quotas() const { return quotas_; }
  /// Hash of what the order depends on beside config, seed and source (quotas, a schedule's content); empty if nothing.
  const std::string& digest() const { return digest_; }

 private:
  const uint64_t n_, seed_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<TileGroup> groups_;  // what the sampler's indices count in; empty: the source itself
  std::vector<GroupQuota> quotas_;
  std::string digest_;
};

}  // namespace eosin::data
