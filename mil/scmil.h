#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct ScmilConfig {
  ScmilConfig();
  config::Choice head;
  int64_t embed_dim = 512, proj_dim = 128;
  std::optional<int64_t> proj_hidden_dim;
  double temperature = 1;
  std::string schedule = "linear";

  void visit(config::Visitor& v) {
    v("head", head, "what makes the bag's vector and logits");
    v("embed_dim", embed_dim, "width of that vector", config::Range{1, 1e6});
    v("proj_hidden_dim", proj_hidden_dim, "hidden width of the projection; by default embed_dim", config::Range{1, 65536});
    v("proj_dim", proj_dim, "width in which bags are compared", config::Range{1, 65536});
    v("temperature", temperature, "of the comparison", config::Range{0, 100, config::kOpenLow});
    v("schedule", schedule, "how the weight falls from contrast to classes", config::OneOf{{"linear", "parabolic", "cosine", "step", "const"}});
  }
  void validate(config::Problems& p) const;
};

/// Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362, eq. 2, "out") of each row against all others; 0 where a class has one row.
///
/// Shapes   unit_BD (unit rows), labels_B -> [B]; their mean is the loss.
/// Checked  golden mil.supcon; tests/mil/test_losses.cpp.
Tensor supcon(const Tensor& unit_BD, const Tensor& labels_B, double temperature);

/// Weight of the contrast at `progress` (0 to 1): const .5, linear 1-t, parabolic 1-t^2, cosine (1 + cos pi t) / 2, step 1 then 0 from the middle.
double contrast_weight(const std::string& schedule, double progress);

/// Supervised contrastive MIL (Juyal et al. 2024, WACV, arXiv:2303.13405) around any head: bags of one class draw together first, then the
/// classifier takes over. Parameters `head.*`, `proj.{0, 2}.*`.
///
/// Shapes   features [N, in_dim]; own loss "supcon" where bags.labels_B is defined. It compares the bags of a batch.
/// Checked  golden mil.scmil; tests/mil/test_heads.cpp.
class Scmil : public Head {
 public:
  Scmil(const ScmilConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;
  void after_update(const Pass& pass) override { head_->after_update(pass); }

 private:
  ScmilConfig config_;
  std::shared_ptr<Head> head_;
  Linear proj0_{nullptr}, proj2_{nullptr};
};

}  // namespace eosin::mil
