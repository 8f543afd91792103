#include "ssl/methods.h"

#include "core/base/error.h"
#include "core/nn/encoder.h"
#include "ssl/barlow_twins.h"
#include "ssl/byol.h"
#include "ssl/classify.h"
#include "ssl/continued_run.h"
#include "ssl/dino.h"
#include "ssl/dinov2.h"
#include "ssl/distill.h"
#include "ssl/distill_logits.h"
#include "ssl/gpfm.h"
#include "ssl/ibot.h"
#include "ssl/mae.h"
#include "ssl/moco_v3.h"
#include "ssl/msn.h"
#include "ssl/simclr.h"
#include "ssl/vicreg.h"

#include <algorithm>
#include <functional>

namespace eosin::ssl {
namespace {

struct Method {
  config::ConfigRow row;
  std::function<std::unique_ptr<ViewObjective>(const config::Choice&, const Ingredients&)> make;
  RunRule check;
};

template <class Config>
std::unique_ptr<config::AnyConfig> defaults() {
  return std::make_unique<config::ConfigOf<Config>>(Config{});
}

nn::EncoderSpec encoder_spec(const Ingredients& with) {
  nn::EncoderSpec spec;
  spec.model = nn::make_model_config(with.model);
  if (!with.mean.empty()) spec.mean = with.mean;
  if (!with.std.empty()) spec.std = with.std;
  return spec;
}

/// Starts a method from `model.init`, where that is given.
template <class Objective>
std::unique_ptr<ViewObjective> started(std::unique_ptr<Objective> method, const Ingredients& with) {
  if (with.model.init.empty()) return method;
  if (with.model.init_heads) {
    continue_run(*method, with.model.init);
    return method;
  }
  nn::load_pretrained(method->student_backbone(), with.model.init, with.model.allow_missing);
  if constexpr (requires { method->copy_student_to_teacher(); }) method->copy_student_to_teacher();
  return method;
}

/// Makes a method whose constructor takes config, encoder, seed and comm.
template <class Objective, class Config>
std::unique_ptr<ViewObjective> make(const config::Choice& method, const Ingredients& with) {
  return started(std::make_unique<Objective>(method.as<Config>(), encoder_spec(with), with.seed, with.comm), with);
}

/// The same of one that learns from labels.
template <class Objective, class Config>
std::unique_ptr<ViewObjective> make_labelled(const config::Choice& method, const Ingredients& with) {
  return started(std::make_unique<Objective>(method.as<Config>(), encoder_spec(with), with.classes, with.seed, with.comm), with);
}

std::unique_ptr<ViewObjective> make_distill(const config::Choice& method, const Ingredients& with) {
  return started(std::make_unique<Distill>(method.as<DistillConfig>(), encoder_spec(with), with.seed, with.comm, with.store.get()), with);
}

std::unique_ptr<ViewObjective> make_mae(const config::Choice& method, const Ingredients& with) {
  return started(std::make_unique<Mae>(method.as<MaeConfig>(), encoder_spec(with), with.seed), with);
}

const std::vector<Method>& methods() {
  static const std::vector<Method> rows = {
      {{"dino", "self-distillation between crops with a centred teacher", "Caron 2021, arXiv:2104.14294", defaults<DinoConfig>},
       make<Dino, DinoConfig>,
       check_dino},
      {{"ibot", "dino, and masked patches against the teacher's", "Zhou 2022, arXiv:2111.07832", defaults<IbotConfig>},
       make<Ibot, IbotConfig>,
       check_ibot},
      {{"dinov2", "dino and ibot with Sinkhorn-Knopp or centring, KoLeo or KDE", "Oquab 2023, arXiv:2304.07193", defaults<Dinov2Config>},
       make<Dinov2, Dinov2Config>,
       check_dinov2},
      {{"mae", "pixels of removed patches from the visible ones", "He 2021, arXiv:2111.06377", defaults<MaeConfig>}, make_mae, check_mae},
      {{"simclr", "contrast between two views and all other images", "Chen 2020, arXiv:2002.05709", defaults<SimclrConfig>},
       make<Simclr, SimclrConfig>,
       check_pair},
      {{"distill", "features of one or several frozen teachers", "Ma 2024, arXiv:2407.18449", defaults<DistillConfig>}, make_distill, check_distill},
      {{"gpfm", "dinov2, and the features of frozen experts", "Ma 2024, arXiv:2407.18449", defaults<GpfmConfig>}, make<Gpfm, GpfmConfig>, check_gpfm},
      {{"distill_logits", "a classifier's logits: Hinton's soft labels, DeiT's token", "Touvron 2021, arXiv:2012.12877",
        defaults<DistillLogitsConfig>},
       make_labelled<DistillLogits, DistillLogitsConfig>,
       check_labels},
      {{"classify", "supervised training, fine-tuning or a linear head on labels", "Touvron 2021, arXiv:2012.12877", defaults<ClassifyConfig>},
       make_labelled<Classify, ClassifyConfig>,
       check_labels},
      {{"byol", "predicts the moving average's embedding of another view", "Grill 2020, arXiv:2006.07733", defaults<ByolConfig>},
       make<Byol, ByolConfig>,
       check_pair},
      {{"moco_v3", "contrast against a momentum encoder", "Chen 2021, arXiv:2104.02057", defaults<MocoV3Config>},
       make<MocoV3, MocoV3Config>,
       check_pair},
      {{"barlow_twins", "two views agree, coordinates do not correlate", "Zbontar 2021, arXiv:2103.03230", defaults<BarlowTwinsConfig>},
       make<BarlowTwins, BarlowTwinsConfig>,
       check_pair},
      {{"vicreg", "two views agree, coordinates vary and do not covary", "Bardes 2022, arXiv:2105.04906", defaults<VicregConfig>},
       make<Vicreg, VicregConfig>,
       check_pair},
      {{"msn", "views without some patches find the whole image's prototypes", "Assran 2022, arXiv:2204.07141", defaults<MsnConfig>},
       make<Msn, MsnConfig>,
       check_msn},
  };
  return rows;
}

const Method& find(const config::Choice& choice) {
  const auto it = std::find_if(methods().begin(), methods().end(), [&](const Method& m) { return m.row.name == choice.name(); });
  EOSIN_ASSERT(it != methods().end());
  return *it;
}

}  // namespace

const std::vector<config::ConfigRow>& method_table() {
  static const std::vector<config::ConfigRow> rows = [] {
    std::vector<config::ConfigRow> list;
    for (const Method& m : methods()) list.push_back(m.row);
    return list;
  }();
  return rows;
}

std::unique_ptr<ViewObjective> make_objective(const config::Choice& method, const Ingredients& ingredients) {
  return find(method).make(method, ingredients);
}

void check_run(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  check_crops(run, problems);
  const Method& row = find(method);
  row.check(method, run, problems);
  if (!run.labels.empty() && row.check != check_labels)
    problems.add("data.labels.column", method.name() + " learns without labels; leave data.labels out");
  if (run.undistorted_px && method.name() != "dinov2")
    problems.add("data.crops.undistorted_size_px", method.name() + " does not look at undistorted views (dinov2 with gram_weight does)");
}

}  // namespace eosin::ssl
