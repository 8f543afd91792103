#pragma once
// Small heads by name, as a config would ask for them, and bags for them.
#include "mil/heads.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace eosin::mil {

struct HeadChoice {
  config::Choice head{head_table(), "abmil"};
  void visit(config::Visitor& v) { v("head", head, "the head"); }
};

/// `settings` as on a command line, "head.dim=8".
inline config::Choice small_choice(const std::string& name, const std::vector<std::string>& settings) {
  config::Source source;
  source.override_with("head.name=" + name);
  for (const std::string& s : settings) source.override_with(s);
  HeadChoice choice;
  config::read(source, choice);
  return choice.head;
}

inline std::shared_ptr<Head> make_small(const std::string& name, const std::vector<std::string>& settings, HeadShape shape, uint64_t seed = 1) {
  return make_head(small_choice(name, settings), shape, seed);
}

/// Random float64 bags of those sizes with classes, places on a 13 x ... grid of tiles of 256 pixels, and two pieces of tissue.
inline BagBatch make_bags(const std::vector<int64_t>& sizes, int64_t in_dim, int64_t n_classes, uint64_t seed = 7) {
  BagBatch bags;
  at::manual_seed(seed);
  int64_t n = 0;
  for (const int64_t size : sizes) bags.offsets.push_back(n += size);
  const auto b = static_cast<int64_t>(sizes.size());
  const Tensor row = at::arange(n, at::kLong);
  bags.features_ND = at::randn({n, in_dim}, at::kDouble);
  bags.coords_N2 = at::stack({row.remainder(13), row.floor_divide(13)}, 1) * 256;
  bags.fragment_N = row.remainder(2);
  bags.labels_B = at::arange(b, at::kLong).remainder(n_classes);
  bags.tile_size_px.assign(sizes.size(), 256.0);
  for (int64_t i = 0; i < b; ++i) bags.ids.push_back("slide-" + std::to_string(i));
  return bags;
}

}  // namespace eosin::mil
