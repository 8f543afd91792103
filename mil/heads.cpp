#include "mil/heads.h"

#include "core/base/error.h"
#include "mil/abmil.h"
#include "mil/acmil.h"
#include "mil/adaptive_regions.h"
#include "mil/additive.h"
#include "mil/alibi.h"
#include "mil/clam.h"
#include "mil/dsmil.h"
#include "mil/dtfd.h"
#include "mil/fragment_vit.h"
#include "mil/gigapath.h"
#include "mil/ilra.h"
#include "mil/mamba.h"
#include "mil/max_instance.h"
#include "mil/mhim.h"
#include "mil/pooled_mlp.h"
#include "mil/rrt.h"
#include "mil/s4.h"
#include "mil/scmil.h"
#include "mil/transmil.h"
#include "mil/wikg.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace eosin::mil {
namespace {

struct Row {
  config::ConfigRow row;
  bool uses_places;
  std::function<std::shared_ptr<Head>(const config::Choice&, const HeadShape&)> make;
};

/// A row whose head takes config, in_dim and n_outputs.
template <class HeadType, class Config>
Row row(const char* name, const char* one_line, const char* source, bool uses_places = false) {
  return {{name, one_line, source, [] { return std::make_unique<config::ConfigOf<Config>>(Config{}); }},
          uses_places,
          [](const config::Choice& c, const HeadShape& s) { return std::make_shared<HeadType>(c.as<Config>(), s.in_dim, s.n_outputs); }};
}

/// A row whose head has one more setting that the name decides.
template <class HeadType, class Config, auto kSetting>
Row row(const char* name, const char* one_line, const char* source) {
  return {{name, one_line, source, [] { return std::make_unique<config::ConfigOf<Config>>(Config{}); }},
          false,
          [](const config::Choice& c, const HeadShape& s) { return std::make_shared<HeadType>(c.as<Config>(), kSetting, s.in_dim, s.n_outputs); }};
}

const std::vector<Row>& rows() {
  using enum PooledMlp::Pool;
  constexpr bool kPlaces = true;
  static const std::vector<Row> table = {
      row<PooledMlp, PooledMlpConfig, kMean>("mean", "mean of the tiles' answers", "baseline"),
      row<PooledMlp, PooledMlpConfig, kMax>("max", "largest answer of any tile, class by class", "baseline"),
      row<MaxInstance, MaxInstanceConfig>("max_instance", "the most suspicious tile alone", "Lu 2021, arXiv:2004.09666 (mil_fc)"),
      row<PooledMlp, SimlpConfig, kMean>("simlp", "MLP on the mean feature", "baseline (SiMLP)"),
      row<Abmil, AbmilConfig>("abmil", "attention pooling, plain or gated, one or several branches", "Ilse 2018, arXiv:1802.04712"),
      row<Clam, ClamConfig, false>("clam_sb", "gated attention that learns from its extreme tiles; compat: clam", "Lu 2021, arXiv:2004.09666"),
      row<Clam, ClamConfig, true>("clam_mb", "clam with a row of attention a class; compat: clam", "Lu 2021, arXiv:2004.09666"),
      row<Dsmil, DsmilConfig>("dsmil", "attention to each class's critical tile", "Li 2021, arXiv:2011.08939"),
      row<TransMil, TransMilConfig>("transmil", "transformer on a square of tiles, Nystrom or exact; order-dependent; compat: transmil_0.0.9",
                                    "Shao 2021, arXiv:2106.00908", kPlaces),
      row<Dtfd, DtfdConfig>("dtfd", "attention on pseudo-bags, and on what they distil", "Zhang 2022, arXiv:2203.12081"),
      row<Acmil, AcmilConfig>("acmil", "branches that must differ, their highest scores masked at random", "Zhang 2024, arXiv:2311.07125"),
      row<Additive, AdditiveConfig>("additive", "logits are sums of the tiles' own", "Javed 2022, arXiv:2206.01794"),
      row<Ilra, IlraConfig>("ilra", "low-rank attention through latent rows", "Xiang 2023, ICLR"),
      row<Rrt, RrtConfig>("rrt", "R2T: re-embeds tiles by regions in front of any head; order-dependent", "Tang 2024, arXiv:2402.17228", kPlaces),
      row<Mhim, MhimConfig>("mhim", "a momentum teacher hides easy tiles from any head; compat: mhim", "Tang 2023, arXiv:2307.15254"),
      row<Scmil, ScmilConfig>("scmil", "contrast between bags first, classes later, around any head", "Juyal 2023, arXiv:2303.13405"),
      row<Wikg, WikgConfig>("wikg", "dynamic graph of similar tiles; compat: wikg", "Li 2024, arXiv:2403.07719"),
      row<S4Mil, S4Config>("s4", "structured state spaces; order-dependent", "Fillioux 2023, arXiv:2306.15789", kPlaces),
      row<MambaMil, MambaConfig>("mamba", "selective state spaces in one or two orders; order-dependent", "Yang 2024, arXiv:2403.06800", kPlaces),
      row<Gigapath, GigapathConfig>("gigapath", "LongNet slide encoder; needs coords; order-dependent; compat: gigapath", "Xu 2024, Nature 630",
                                    kPlaces),
      row<AlibiVit, AlibiVitConfig>("alibi_vit", "transformer with distances as biases, TITAN-like; needs coords", "Ding 2024, arXiv:2411.19666",
                                    kPlaces),
      row<FragmentVit, FragmentVitConfig>("fragment_vit", "rotary positions inside pieces of tissue, EXAONE Path-like; needs coords",
                                          "EXAONE Path 2.5", kPlaces),
      row<AdaptiveRegions, AdaptiveRegionsConfig>("adaptive_regions", "attention inside soft, irregular regions, CARE-like; needs coords", "CARE",
                                                  kPlaces),
  };
  return table;
}

const Row& row_of(const config::Choice& head) {
  const auto it = std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return r.row.name == head.name(); });
  EOSIN_ASSERT(it != rows().end());
  return *it;
}

}  // namespace

const std::vector<config::ConfigRow>& head_table() {
  static const std::vector<config::ConfigRow> table = [] {
    std::vector<config::ConfigRow> list;
    for (const Row& r : rows()) list.push_back(r.row);
    return list;
  }();
  return table;
}

bool uses_places(const config::Choice& head) {
  if (head.name() == "mhim") return uses_places(head.as<MhimConfig>().head);
  if (head.name() == "scmil") return uses_places(head.as<ScmilConfig>().head);
  return row_of(head).uses_places;
}

std::shared_ptr<Head> make_head(const config::Choice& head, const HeadShape& shape, uint64_t seed) {
  EOSIN_CHECK(shape.in_dim > 0 && shape.n_outputs > 0, Config, "[mil] a head of {} inputs and {} outputs (need at least 1 of each)", shape.in_dim,
              shape.n_outputs);
  auto made = row_of(head).make(head, shape);
  made->init_weights(seed);
  return made;
}

std::shared_ptr<Head> load_head(const config::Choice& head, const HeadShape& shape, const TensorMap& weights, const std::string& where) {
  const at::NoGradGuard no_grad;
  auto made = make_head(head, shape, 0);
  size_t taken = 0;
  const auto take = [&](const std::string& name, Tensor into) {
    const auto it = weights.find(name);
    EOSIN_CHECK(it != weights.end() && it->second.sizes() == into.sizes(), Data, "[{}] {} for {} of head {}; these are weights of another model",
                where, it == weights.end() ? "no tensor" : "a tensor of another shape", name, head.name());
    into.copy_(it->second);
    ++taken;
  };
  for (auto& p : made->named_parameters()) take(p.key(), p.value());
  for (auto& b : made->named_buffers()) take(b.key(), b.value());
  EOSIN_CHECK(taken == weights.size(), Data, "[{}] {} tensors (head {} has {}); these are weights of another model", where, weights.size(),
              head.name(), taken);
  return made;
}

}  // namespace eosin::mil
