#include "ssl/distill.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/weights.h"
#include "data/feature_store.h"
#include "ssl/crop_groups.h"
#include "ssl/student_groups.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using config::Length;
using config::OneOf;
using config::Range;

template <class T>
const T& of_teacher(const std::vector<T>& values, size_t teacher) {
  return values.size() == 1 ? values.front() : values[teacher];
}

ClsAndPatches cls_and_patches(const nn::ImageTokens& tokens) { return {tokens.summary_BD, tokens.patches_BND, tokens.grid}; }

/// PHI-S from the features that `eosin embed` wrote with that teacher.
PhiS phi_s_of(const std::string& path, const DistillTeacher& teacher) {
  constexpr int64_t kRowsPerDim = 10;
  std::vector<Tensor> rows;
  int64_t count = 0;
  for (const std::string& file : data::list_features(path)) {
    const data::SlideFeatures features = data::read_features(file);
    EOSIN_CHECK(features.meta.weights_sha256.empty() || features.meta.weights_sha256 == teacher.encoder.weights_hash, Data,
                "[distill] {} holds features of other weights than {}; embed the tiles with that teacher", file, teacher.path);
    rows.push_back(features.features_ND.to(at::kDouble));
    count += rows.back().size(0);
  }
  const int64_t dim = rows.front().size(1), wanted = nn::token_dim(teacher.encoder.spec.model);
  EOSIN_CHECK(dim == wanted, Data, "[distill] {} holds features of width {} (need {}, as {} has)", path, dim, wanted, teacher.path);
  EOSIN_CHECK(count >= kRowsPerDim * dim, Data, "[distill] {} holds {} features (need at least {}, {} for each of {} dimensions)", path, count,
              kRowsPerDim * dim, kRowsPerDim, dim);
  return fit_phi_s(at::cat(rows, 0));
}

std::vector<double> numbers_of(const std::vector<double>& lists, size_t teacher, std::vector<double> otherwise) {
  if (lists.empty()) return otherwise;
  const auto first = lists.begin() + static_cast<std::ptrdiff_t>(lists.size() == 3 ? 0 : 3 * teacher);
  return {first, first + 3};
}

ExpertLossOptions loss_options(const DistillConfig& config, size_t teacher) {
  ExpertLossOptions options;
  options.cls_weight = of_teacher(config.cls_weights, teacher), options.patch_weight = of_teacher(config.patch_weights, teacher);
  FeatureKdOptions common;
  common.alpha = config.cosine_weight, common.beta = config.smooth_l1_weight, common.temperature = config.kl_temperature;
  common.normalize_teacher = of_teacher(config.targets, teacher) == "unit";
  options.cls = options.patch = common;
  options.cls.loss = of_teacher(config.cls_losses, teacher), options.patch.loss = of_teacher(config.patch_losses, teacher);
  return options;
}

}  // namespace

void DistillConfig::visit(config::Visitor& v) {
  const OneOf losses{{"cosine", "cosine_smooth_l1", "kl"}};
  v("teachers", teachers, "frozen encoders: exported or run folders, or files of weights", Length{1, 16});
  v("image_sizes_px", image_sizes_px, "side of each teacher's images; 0: the size that it was made for", Range{0, 4096}, Length{1, 16});
  v("means", means, "normalisation of each teacher, three numbers R G B after three; none: as its file says", Range{0, 1}, Length{0, 48});
  v("stds", stds, "the same, standard deviations", Range{0, 100, config::kOpenLow}, Length{0, 48});
  v("cls_weights", cls_weights, "weight of each teacher's class token", Range{0, 1e6}, Length{1, 16});
  v("patch_weights", patch_weights, "weight of each teacher's patches; 0: left out", Range{0, 1e6}, Length{1, 16});
  v("cls_losses", cls_losses, "how each teacher's class token is compared", losses, Length{1, 16});
  v("patch_losses", patch_losses, "how each teacher's patches are compared", losses, Length{1, 16});
  v("targets", targets, "each teacher's features: as they are, of unit length, or the class token standardised by PHI-S",
    OneOf{{"raw", "unit", "phi_s"}}, Length{1, 16});
  v("phi_s_features", phi_s_features, "features of each teacher (eosin embed) that PHI-S is fitted on", Length{0, 16});
  v("cosine_weight", cosine_weight, "share of the cosine in cosine_smooth_l1", Range{0, 1e3});
  v("smooth_l1_weight", smooth_l1_weight, "share of the smooth L1 distance in cosine_smooth_l1", Range{0, 1e3});
  v("kl_temperature", kl_temperature, "temperature of kl's softmax over the channels", Range{0, 1e3, config::kOpenLow});
  v("bottleneck_dim", bottleneck_dim, "width inside the heads", Range{1, 1 << 20});
}

void DistillConfig::validate(config::Problems& p) const {
  const size_t n = teachers.size();
  if (n == 0) p.add("teachers", "no teacher is given; write method.teachers=[PATH, ...]");
  const auto fits = [&](const char* key, size_t length, size_t each = 1) {
    if (length != each && length != each * n)
      p.add(key, fmt::format("{} values for {} teachers (need {} for each, or {} for all)", length, n, each, each));
  };
  fits("image_sizes_px", image_sizes_px.size());
  fits("cls_weights", cls_weights.size());
  fits("patch_weights", patch_weights.size());
  fits("cls_losses", cls_losses.size());
  fits("patch_losses", patch_losses.size());
  fits("targets", targets.size());
  if (!means.empty()) fits("means", means.size(), 3);
  if (!stds.empty()) fits("stds", stds.size(), 3);
  bool standardised = false;
  for (const std::string& t : targets) standardised |= t == "phi_s";
  if (standardised || !phi_s_features.empty()) fits("phi_s_features", phi_s_features.size());
}

DistillTeacher load_teacher(const DistillConfig& config, size_t i, const nn::EncoderSpec& student) {
  DistillTeacher t;
  t.path = config.teachers[i];
  t.encoder = nn::load_encoder(t.path);
  for (Tensor& p : t.encoder.model->parameters()) p.set_requires_grad(false);
  nn::EncoderSpec& spec = t.encoder.spec;
  spec.mean = numbers_of(config.means, i, spec.mean), spec.std = numbers_of(config.stds, i, spec.std);
  const int64_t asked = of_teacher(config.image_sizes_px, i);
  t.image_size = asked > 0 ? std::vector<int64_t>{asked, asked} : nn::image_size(spec.model);
  const int64_t multiple = nn::size_multiple(spec.model);
  for (const int64_t side : t.image_size)
    EOSIN_CHECK(side % multiple == 0, Config, "[method.image_sizes_px] {} is not a multiple of {}, as {} needs", side, multiple, t.path);
  const auto column = [](const std::vector<double>& v) { return at::tensor(v, at::kDouble).view({-1, 1, 1}); };
  t.scale_C11 = column(student.std) / column(spec.std);
  t.shift_C11 = (column(student.mean) - column(spec.mean)) / column(spec.std);
  t.loss = loss_options(config, i);
  if (of_teacher(config.targets, i) == "phi_s") t.phi_s = phi_s_of(of_teacher(config.phi_s_features, i), t);
  log::info("[distill] teacher {}: {}, {} of width {}, {}x{} px", i, t.path, nn::family_of(spec.model), nn::token_dim(spec.model), t.image_size[0],
            t.image_size[1]);
  return t;
}

ClsAndPatches DistillTeacher::see(const Tensor& views_BCHW) {
  const at::NoGradGuard no_grad;
  const auto like = views_BCHW.options();
  Tensor images = views_BCHW * scale_C11.to(like) + shift_C11.to(like);
  if (images.size(2) != image_size[0] || images.size(3) != image_size[1]) images = at::_upsample_bicubic2d_aa(images, image_size, false);
  ClsAndPatches seen = cls_and_patches(encoder.model->encode({images}).front());
  if (phi_s) seen.cls_BD = phi_s->apply(seen.cls_BD);
  return seen;
}

DistillNetImpl::DistillNetImpl(const nn::ModelConfig& model, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim,
                               const std::shared_ptr<Comm>& comm)
    : backbone(register_module("backbone", nn::make_backbone(model, comm))) {
  const auto list = register_module("heads", std::make_shared<torch::nn::Module>("heads"));
  for (size_t i = 0; i < teachers.size(); ++i) {
    DinoHeadShape shape;
    shape.in_dim = nn::token_dim(model), shape.bottleneck_dim = bottleneck_dim, shape.n_prototypes = nn::token_dim(teachers[i].encoder.spec.model);
    shape.layers = 1, shape.freeze_g = false;
    heads.push_back(list->register_module(std::to_string(i), DinoHead(shape)));
  }
}

void DistillNetImpl::init_weights(uint64_t seed) {
  backbone->init_weights(seed);
  for (size_t i = 0; i < heads.size(); ++i) heads[i]->init_weights(seed + i);
}

Distill::Distill(const DistillConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed) {
  const auto list = register_module("teachers", std::make_shared<torch::nn::Module>("teachers"));  // so that they move with the objective
  for (size_t i = 0; i < config_.teachers.size(); ++i) {
    teachers_.push_back(load_teacher(config_, i, encoder_));
    list->register_module(std::to_string(i), teachers_.back().encoder.model);
  }
  student_ = register_module("student", DistillNet(encoder_.model, teachers_, config_.bottleneck_dim, comm));
  student_->init_weights(seed_);
}

/// The mean over all views of both terms of one teacher.
ExpertTerms Distill::compare(size_t teacher, const std::vector<Tensor>& groups_BCHW, const std::vector<ClsAndPatches>& student) {
  int64_t rows = 0;
  for (const Tensor& group : groups_BCHW) rows += group.size(0);
  std::vector<Tensor> cls, patch;
  for (size_t g = 0; g < groups_BCHW.size(); ++g) {
    const double share = static_cast<double>(groups_BCHW[g].size(0)) / static_cast<double>(rows);
    const ExpertTerms terms = expert_loss(student_->heads[teacher], student[g], teachers_[teacher].see(groups_BCHW[g]), teachers_[teacher].loss);
    cls.push_back(share * terms.cls);
    if (terms.patch.defined()) patch.push_back(share * terms.patch);
  }
  return {at::stack(cls).sum(), patch.empty() ? Tensor() : at::stack(patch).sum()};
}

train::Loss Distill::forward(const data::ViewBatch& batch, const train::Progress&) {
  EOSIN_CHECK(!batch.views_BCHW.empty(), Shape, "[distill] a batch without views");
  const std::vector<Tensor> groups = group_by_size(batch.views_BCHW);
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  std::vector<ClsAndPatches> student;
  for (const nn::ImageTokens& tokens : student_->backbone->encode(groups, drop_path)) student.push_back(cls_and_patches(tokens));
  train::Loss loss;
  std::vector<Tensor> totals;
  for (size_t i = 0; i < teachers_.size(); ++i) {
    const ExpertTerms terms = compare(i, groups, student);
    totals.push_back(terms.total());
    loss.parts.emplace_back(fmt::format("teacher{}_cls", i), terms.cls.detach());
    if (terms.patch.defined()) loss.parts.emplace_back(fmt::format("teacher{}_patch", i), terms.patch.detach());
  }
  loss.total = at::stack(totals).sum();
  return loss;
}

std::vector<train::ParamGroup> Distill::param_groups() {
  return student_groups(*student_, [](const std::string&) { return optim::dino_rule(); });
}

nlohmann::json Distill::teacher_identities() const {
  nlohmann::json list = nlohmann::json::array();
  for (const DistillTeacher& t : teachers_) list.push_back({{"path", t.path}, {"weights_sha256", t.encoder.weights_hash}});
  return list;
}

State Distill::state() {
  State state;
  for (const auto& [name, tensor] : nn::named_weights(*student_)) state.tensors.emplace("student." + name, tensor);
  state.values["encoder"] = nn::to_json(encoder_);
  state.values["teachers"] = teacher_identities();
  return state;
}

void Distill::load_state(const State& state) {
  const nlohmann::json before = state.values.value("teachers", nlohmann::json::array()), now = teacher_identities();
  EOSIN_CHECK(before.size() == now.size(), Data, "[distill] the run began with {} teachers and has {} now", before.size(), now.size());
  for (size_t i = 0; i < now.size(); ++i)
    EOSIN_CHECK(before[i].at("weights_sha256") == now[i]["weights_sha256"], Data,
                "[distill] teacher {} ({}) has other weights than the run began with: SHA-256 {} (need {})", i, now[i]["path"].get<std::string>(),
                now[i]["weights_sha256"].get<std::string>(), before[i].at("weights_sha256").get<std::string>());
  TensorMap mine;
  for (const auto& [name, tensor] : state.tensors)
    if (name.starts_with("student.")) mine.emplace(name.substr(8), tensor);
  nn::load_weights(*student_, mine);
}

}  // namespace eosin::ssl
