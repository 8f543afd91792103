#include "core/nn/weights.h"
#include "core/tensor/comm.h"
#include "ssl/barlow_twins_loss.h"
#include "ssl/byol_loss.h"
#include "ssl/expert_loss.h"
#include "ssl/logit_kd.h"
#include "ssl/moco_v3_loss.h"
#include "ssl/msn_loss.h"
#include "ssl/ntxent.h"
#include "ssl/phi_s.h"
#include "ssl/vicreg_loss.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

/// The inputs of a loss by name; those that the case has a gradient of become leaves.
struct Inputs {
  explicit Inputs(const Case& c) : tensors(c.below("in.")) {
    for (const std::string& name : c.gradients())
      if (const auto it = tensors.find(name); it != tensors.end()) it->second = it->second.clone().requires_grad_();
  }
  const Tensor& operator[](const std::string& name) const { return tensors.at(name); }
  Results backward(const Tensor& loss) const {
    loss.backward();
    Results out{{"out.loss", loss}};
    for (const auto& [name, t] : tensors)
      if (t.requires_grad()) out["grad." + name] = t.grad();
    return out;
  }
  TensorMap tensors;
};

Results ntxent(const Case& c) {
  const Inputs in(c);
  return in.backward(ssl::ntxent_loss(in["z0"], in["z1"], c.config["temperature"]));
}

Results moco_v3(const Case& c) {
  const Inputs in(c);
  return in.backward(ssl::moco_v3_loss(in["q0"], in["q1"], in["target0"], in["target1"], c.config["temperature"]));
}

Results byol(const Case& c) {
  const Inputs in(c);
  return in.backward(ssl::byol_loss(in["p0"], in["p1"], in["target0"], in["target1"]));
}

Results barlow_twins(const Case& c) {
  const Inputs in(c);
  return in.backward(ssl::barlow_twins_loss(in["z0"], in["z1"], c.config["lambda"]));
}

Results vicreg(const Case& c) {
  const Inputs in(c);
  const ssl::VicregWeights weights{c.config["invariance"], c.config["variance"], c.config["covariance"], c.config["eps"]};
  return in.backward(ssl::vicreg_loss(in["z0"], in["z1"], weights).total());
}

Results msn(const Case& c) {
  const Inputs in(c);
  const ssl::MsnLossOptions options{c.config["temperature"], c.config["sharpen_temperature"], c.config["sinkhorn_iterations"],
                                    c.config["memax_weight"]};
  const Tensor targets = ssl::msn_targets(in["targets"], in["prototypes"], options, *make_single_comm());
  return in.backward(ssl::msn_loss(in["anchors"], in["prototypes"], targets, options, make_single_comm()).total());
}

Results kd_hinton(const Case& c) {
  const Inputs in(c);
  const ssl::HintonKd kd = ssl::hinton_kd_loss(in["student"], in["teacher"], in["labels"], c.config["temperature"], c.config["alpha"]);
  Results out = in.backward(kd.loss);
  out["out.kd"] = kd.kd;
  return out;
}

Results deit_distill(const Case& c) {
  const Inputs in(c);
  const ssl::DeitOptions options{c.config["type"], c.config["alpha"], c.config["tau"], c.config["label_smoothing"]};
  return in.backward(ssl::deit_loss(in["cls_logits"], in["dist_logits"], in["teacher"], in["labels"], options));
}

nn::PatchGrid square(const nlohmann::json& side) { return {side, side}; }

Results feature_kd(const Case& c) {
  const Inputs in(c);
  ssl::FeatureKdOptions options;
  options.loss = c.config["loss"];
  options.alpha = c.config.value("alpha", options.alpha);
  options.beta = c.config.value("beta", options.beta);
  options.temperature = c.config.value("temperature", options.temperature);
  options.normalize_teacher = c.config["normalize_teacher"];
  return in.backward(ssl::feature_kd_loss(in["student"], square(c.config["student_grid"]), in["teacher"], square(c.config["teacher_grid"]), options));
}

Results multi_teacher(const Case& c) {
  const Inputs in(c);
  const ssl::ClsAndPatches student{in["cls"], in["patch"], square(c.config["student_grid"])};
  std::map<std::string, ssl::DinoHead> heads;
  std::vector<Tensor> losses;
  Results terms;
  for (const auto& e : c.config["experts"]) {
    const std::string name = e["name"];
    ssl::DinoHeadShape shape;
    shape.in_dim = in["cls"].size(1), shape.bottleneck_dim = c.config["bottleneck_dim"], shape.n_prototypes = e["dim"];
    shape.layers = 1, shape.freeze_g = false;
    ssl::DinoHead& head = heads.emplace(name, ssl::DinoHead(shape)).first->second;
    nn::load_weights(*head, c.below("param." + name + "."));
    ssl::ExpertLossOptions options;
    options.cls_weight = e["cls_weight"], options.patch_weight = e["patch_weight"];
    options.cls.normalize_teacher = options.patch.normalize_teacher = e["normalize"];
    const ssl::ExpertTerms term = ssl::expert_loss(head, student, {in[name + "_cls"], in[name + "_patch"], square(e["grid"])}, options);
    losses.push_back(term.total());
    if (term.cls.defined()) terms["out." + name + "_cls_loss"] = term.cls;
    if (term.patch.defined()) terms["out." + name + "_patch_loss"] = term.patch;
  }
  Results out = in.backward(at::stack(losses).sum());
  out.merge(terms);
  for (const auto& [name, head] : heads)
    for (const auto& p : head->named_parameters()) out["grad." + name + "." + p.key()] = p.value().grad();
  return out;
}

Results phi_s(const Case& c) {
  const Tensor x = c.at("in.x");
  const ssl::PhiS phi = ssl::fit_phi_s(x);
  return {{"out.mean", phi.mean_D},
          {"out.hadamard", ssl::hadamard(c.config["dim"]) / std::sqrt(c.config["dim"].get<double>())},
          {"out.cov_y", at::cov(phi.apply(x.to(at::kDouble)).t())},
          {"out.tx_gram", phi.transform_DD.mm(phi.transform_DD.t())}};
}

}  // namespace

std::vector<Row> ssl_joint_rows() {
  return {{"ssl.ntxent", ntxent},
          {"ssl.moco_v3", moco_v3},
          {"ssl.byol", byol},
          {"ssl.barlow_twins", barlow_twins},
          {"ssl.vicreg", vicreg},
          {"ssl.msn", msn},
          {"ssl.kd_hinton", kd_hinton},
          {"ssl.deit_distill", deit_distill},
          {"ssl.feature_kd", feature_kd},
          {"ssl.multi_teacher", multi_teacher},
          {"ssl.phi_s", phi_s}};
}

}  // namespace eosin::golden
