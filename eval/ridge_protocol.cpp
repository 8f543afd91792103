#include "eval/ridge_protocol.h"

#include "eval/hest_probe.h"
#include "eval/regression.h"

#include <algorithm>

namespace eosin::eval {

void RidgeProtocol::visit(config::Visitor& v) {
  v("components", components, "principal components of the standardised features, fitted on training rows", config::Range{1, 1e6});
  v("alpha", alpha, "penalty; absent: 100 / (components * targets), as HEST", config::Range{0, 1e12});
  v("intercept", intercept, "false as in HEST's code: the same correlations, but errors and R2 of what is not centred");
}

ProtocolResult run_ridge(const RidgeProtocol& p, const LabelledSet& train, const LabelledSet& test) {
  const int64_t components = std::min({p.components, train.features_ND.size(0), train.features_ND.size(1)});
  const HestProbe probe = HestProbe::fit(train.features_ND, train.number_NT, {components, p.alpha, p.intercept});
  ProtocolResult r;
  r.predictions.target = test.target;
  r.predictions.number_NT = test.number_NT;
  r.predictions.estimate_NT = probe.predict(test.features_ND);
  double explained = 0;
  for (const double share : probe.pca.explained_variance_ratio) explained += share;
  r.fit = {{"components", components},
           {"variance_explained", explained},
           {"alpha", probe.ridge.alpha},
           {"intercept", p.intercept},
           {"train_mae", *mae_statistic(train.number_NT, probe.predict(train.features_ND))({})}};
  return r;
}

}  // namespace eosin::eval
