#pragma once
#include "core/base/config.h"
#include "optim/optimizer.h"

#include <optional>
#include <vector>

namespace eosin::optim {

/// The rates that every rule has: the schedules start from them.
struct RatesConfig {
  double lr = 1e-3;
  double weight_decay = 0.04;
  std::optional<double> weight_decay_end;
  void visit(config::Visitor& v) {
    v("lr", lr, "peak learning rate after warm-up", config::Range{0, 1e3, config::kOpenLow});
    v("weight_decay", weight_decay, "decoupled weight decay at the first step", config::Range{0, 1e3});
    v("weight_decay_end", weight_decay_end, "weight decay at the end of the run, reached on half a cosine; absent: constant", config::Range{0, 1e3});
  }
};

struct AdamWConfig {
  RatesConfig rates;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  bool amsgrad = false;
  void visit(config::Visitor& v) {
    rates.visit(v);
    v("betas", betas, "decay of first and second moment", config::Range{0, 1, config::kOpenHigh}, config::Length{2, 2});
    v("eps", eps, "added to the root of the second moment", config::Range{0, 1});
    v("amsgrad", amsgrad, "divide by the largest second moment so far (Reddi 2018)");
  }
};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), with the semantics of torch.optim.AdamW.
///
/// Checked  golden optim.step "adamw", tests/optim/test_adamw.cpp.
class AdamW final : public Optimizer {
 public:
  AdamW(AdamWConfig config, std::vector<ParamGroup> groups);
  void step(const Rates& rates) override;

 private:
  AdamWConfig config_;
};

}  // namespace eosin::optim
