#include "ssl/distill.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/batch_norm.h"
#include "data/feature_store.h"
#include "ssl/crop_groups.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

using config::Length;
using config::OneOf;
using config::Range;

template <class T>
const T& of_teacher(const std::vector<T>& values, size_t teacher) {
  return values.size() == 1 ? values.front() : values[teacher];
}

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
  const int64_t dim = rows.front().size(1), wanted = nn::summary_dim(teacher.encoder.spec.model);
  EOSIN_CHECK(dim == wanted, Data, "[distill] {} holds features of width {} (need {}, as {} has)", path, dim, wanted, teacher.path);
  EOSIN_CHECK(count >= kRowsPerDim * dim, Data, "[distill] {} holds {} features (need at least {}, {} for each of {} dimensions)", path, count,
              kRowsPerDim * dim, kRowsPerDim, dim);
  return fit_phi_s(at::cat(rows, 0));
}

std::vector<double> numbers_of(const std::vector<double>& lists, size_t teacher) {
  if (lists.empty()) return {};
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

/// The class tokens that a teacher would give, from the features of a store, if they are those.
std::shared_ptr<const data::CachedFeatures> cache_of(const std::string& path, const DistillTeacher& teacher, const data::TileStore* store,
                                                     bool fixed_targets) {
  EOSIN_CHECK(store, Config, "[method.cached_features] features are kept for the tiles of one store; give one data.store");
  auto cache = std::make_shared<const data::CachedFeatures>(*store, path);
  EOSIN_CHECK(cache->weights_sha256() == teacher.encoder.weights_hash, Data,
              "[distill] {} holds features of other weights (SHA-256 {}) than {} has ({}); embed the store with that teacher", path,
              cache->weights_sha256(), teacher.path, teacher.encoder.weights_hash);
  const nn::EncoderSpec& spec = teacher.encoder.spec;
  const std::string& transform = cache->transform();
  const auto* vit = std::get_if<nn::VitConfig>(&spec.model);
  const bool own = transform.ends_with("pooling auto") && !(vit && vit->global_pool == "token_avg");
  const bool cls = transform.ends_with("pooling cls") && vit && vit->global_pool != "avg";
  EOSIN_CHECK(cache->dim() == teacher.width() && (own || cls), Data,
              "[distill] {} holds features of width {} ({}), not the class tokens of {} (width {}); embed the store with pooling=cls", path,
              cache->dim(), transform, teacher.path, teacher.width());
  EOSIN_CHECK(fixed_targets || (spec.crop_pct == 1 && transform.starts_with("resize ")), Config,
              "[method.cached_features] {} was made of other pictures than whole tiles ({}); set fixed_targets=true to take them all the same", path,
              transform);
  return cache;
}

}  // namespace

ClsAndPatches cls_and_patches(const nn::ImageTokens& tokens) { return {tokens.summary_BD, tokens.patches_BND, tokens.grid}; }

bool DistillConfig::is_cached(size_t teacher) const { return !cached_features.empty() && !of_teacher(cached_features, teacher).empty(); }

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
  v("cached_features", cached_features,
    "features of each teacher (eosin embed, of data.store) that are read as its class tokens, so that it need not run; empty: it runs",
    Length{0, 16});
  v("fixed_targets", fixed_targets, "take cached features of whole tiles as the targets of augmented views too");
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
  if (!cached_features.empty() && cached_features.size() != n)
    p.add("cached_features", fmt::format("{} folders for {} teachers (need one for each; empty: it runs)", cached_features.size(), n));
  if (cached_features.size() != n) return;
  for (size_t i = 0; i < n; ++i) {
    if (!is_cached(i)) continue;
    if (patch_weights.size() == 1 || patch_weights.size() == n)
      if (of_teacher(patch_weights, i) > 0)
        p.add("patch_weights", fmt::format("cached features hold class tokens alone; set that of teacher {} to 0, or run it", i));
    if (image_sizes_px.size() == 1 || image_sizes_px.size() == n)
      if (of_teacher(image_sizes_px, i) > 0) p.add("image_sizes_px", fmt::format("teacher {} is not run; set its to 0", i));
  }
}

DistillTeacher load_teacher(const DistillConfig& config, size_t i, const nn::EncoderSpec& student, const data::TileStore* store) {
  DistillTeacher t;
  t.path = config.teachers[i];
  t.encoder = nn::load_encoder(t.path);
  for (Tensor& p : t.encoder.model->parameters()) p.set_requires_grad(false);
  const TeacherImages images{of_teacher(config.image_sizes_px, i), numbers_of(config.means, i), numbers_of(config.stds, i)};
  t.view = TeacherView(t.encoder.spec, images, student, "method.image_sizes_px");
  t.loss = loss_options(config, i);
  const int64_t of_patches = nn::token_dim(t.encoder.spec.model);
  EOSIN_CHECK(t.width() == of_patches || t.loss.patch_weight == 0, Config,
              "[method.patch_weights] {} pools to width {} and has patches of width {}, which one head cannot follow; need weight 0", t.path,
              t.width(), of_patches);
  if (of_teacher(config.targets, i) == "phi_s") t.phi_s = phi_s_of(of_teacher(config.phi_s_features, i), t);
  log::info("[distill] teacher {}: {}, {} of width {}, {}x{} px", i, t.path, nn::family_of(t.encoder.spec.model), t.width(), t.view.size()[0],
            t.view.size()[1]);
  if (config.is_cached(i)) {
    t.cache = cache_of(config.cached_features[i], t, store, config.fixed_targets);
    t.encoder.model = nullptr;
  }
  return t;
}

std::vector<DistillTeacher> load_teachers(const DistillConfig& config, const nn::EncoderSpec& student, const data::TileStore* store,
                                          torch::nn::Module& parts) {
  std::vector<DistillTeacher> teachers;
  for (size_t i = 0; i < config.teachers.size(); ++i) {
    teachers.push_back(load_teacher(config, i, student, store));
    if (!teachers[i].cache) parts.register_module(std::to_string(i), teachers[i].encoder.model);
  }
  return teachers;
}

std::vector<TeacherIdentity> identities_of(const std::vector<DistillTeacher>& teachers) {
  std::vector<TeacherIdentity> list;
  for (const DistillTeacher& t : teachers) list.push_back({t.path, t.encoder.weights_hash});
  return list;
}

ClsAndPatches DistillTeacher::see(const Tensor& views_BCHW, const std::vector<int64_t>& tiles) {
  const at::NoGradGuard no_grad;
  if (cache) {
    const auto views = views_BCHW.size(0) / static_cast<int64_t>(tiles.size());
    const Tensor cls_BD = cache->rows(tiles).to(views_BCHW.options()).repeat({views, 1});
    return {phi_s ? phi_s->apply(cls_BD) : cls_BD, {}, {}};
  }
  encoder.model->eval();  // whatever the student's mode is
  const Tensor images = view.images(views_BCHW);
  ClsAndPatches seen = cls_and_patches(encoder.model->encode({images}).front());
  if (phi_s) seen.cls_BD = phi_s->apply(seen.cls_BD);
  return seen;
}

ExpertHeadsImpl::ExpertHeadsImpl(int64_t in_dim, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim) {
  for (size_t i = 0; i < teachers.size(); ++i) {
    DinoHeadShape shape;
    shape.in_dim = in_dim, shape.bottleneck_dim = bottleneck_dim, shape.n_prototypes = teachers[i].width();
    shape.layers = 1, shape.freeze_g = false;
    each.push_back(register_module(std::to_string(i), DinoHead(shape)));
  }
}

void ExpertHeadsImpl::init_weights(uint64_t seed) {
  for (size_t i = 0; i < each.size(); ++i) each[i]->init_weights(seed + i);
}

DistillNetImpl::DistillNetImpl(const nn::ModelConfig& model, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim,
                               const std::shared_ptr<Comm>& comm)
    : backbone(register_module("backbone", nn::make_backbone(model, comm))),
      heads(register_module("heads", ExpertHeads(nn::token_dim(model), teachers, bottleneck_dim))) {}

void DistillNetImpl::init_weights(uint64_t seed) {
  backbone->init_weights(seed);
  heads->init_weights(seed);
}

Distill::Distill(const DistillConfig& config, nn::EncoderSpec encoder, uint64_t seed, const std::shared_ptr<Comm>& comm, const data::TileStore* store)
    : config_(config), encoder_(std::move(encoder)), seed_(seed) {
  const auto parts = register_module("teachers", std::make_shared<torch::nn::Module>("teachers"));
  teachers_ = load_teachers(config_, encoder_, store, *parts);
  student_ = register_module("student", DistillNet(encoder_.model, teachers_, config_.bottleneck_dim, comm));
  student_->init_weights(seed_);
}

/// The mean over all views of both terms of one teacher.
ExpertTerms Distill::compare(size_t teacher, const std::vector<Tensor>& groups_BCHW, const std::vector<ClsAndPatches>& student,
                             const std::vector<int64_t>& tiles) {
  int64_t rows = 0;
  for (const Tensor& group : groups_BCHW) rows += group.size(0);
  std::vector<Tensor> cls, patch;
  for (size_t g = 0; g < groups_BCHW.size(); ++g) {
    const double share = static_cast<double>(groups_BCHW[g].size(0)) / static_cast<double>(rows);
    const ExpertTerms terms =
        expert_loss(student_->heads->each[teacher], student[g], teachers_[teacher].see(groups_BCHW[g], tiles), teachers_[teacher].loss);
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
    const ExpertTerms terms = compare(i, groups, student, batch.tiles);
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

std::vector<std::string> Distill::batch_losses() const {
  return nn::has_batch_norm(*student_->backbone) ? std::vector<std::string>{"batch norm"} : std::vector<std::string>{};
}

State Distill::state() {
  State state = student_state(*student_, encoder_);
  add_teachers(state, identities_of(teachers_));
  return state;
}

void Distill::load_state(const State& state) {
  check_teachers(state, identities_of(teachers_), "distill");
  load_student(*student_, state);
}

}  // namespace eosin::ssl
