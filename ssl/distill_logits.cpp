#include "ssl/distill_logits.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "ssl/classification_loss.h"
#include "ssl/classify.h"
#include "ssl/labelled_views.h"
#include "ssl/method_state.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

nn::EncoderSpec student_spec(const DistillLogitsConfig& config, nn::EncoderSpec encoder) {
  encoder = pooled_by(config.pooling, std::move(encoder));
  return config.distillation_token ? with_distillation_token(std::move(encoder)) : encoder;
}

void check_teacher_classes(const nn::Classifier& teacher, const std::string& path, const data::ClassList& classes) {
  EOSIN_CHECK(teacher.n_classes() == classes.size(), Config, "[method.teacher] {} tells {} classes apart and the labels have {}: {}", path,
              teacher.n_classes(), classes.size(), fmt::join(classes.names, ", "));
  if (teacher.classes.empty())
    log::warn("[distill_logits] {} does not name its classes; they are taken to be in this order: {}", path, fmt::join(classes.names, ", "));
  else
    EOSIN_CHECK(teacher.classes == classes.names, Config, "[method.teacher] {} tells other classes apart ({}) than the labels have ({})", path,
                fmt::join(teacher.classes, ", "), fmt::join(classes.names, ", "));
}

}  // namespace

void DistillLogitsConfig::visit(config::Visitor& v) {
  using config::Length;
  using config::OneOf;
  using config::Range;
  v("teacher", teacher, "frozen classifier: a run folder of classify or distill_logits, or weights with a classification head");
  v("teacher_size_px", teacher_size_px, "side of its images; 0: the size that it was made for", Range{0, 4096});
  v("teacher_mean", teacher_mean, "its normalisation, R G B; none: as its file says", Range{0, 1}, Length{0, 3});
  v("teacher_std", teacher_std, "the same, standard deviations", Range{0, 100, config::kOpenLow}, Length{0, 3});
  v("distillation_token", distillation_token,
    "a second token whose head follows the teacher (DeiT); else one head follows teacher and labels (Hinton)");
  v("targets", targets, "hard: the teacher's first choice is a label; soft: its probabilities", OneOf{{"hard", "soft"}});
  v("alpha", alpha, "the teacher's share of the loss", Range{0, 1});
  v("temperature", temperature, "that soft probabilities are taken at", Range{0, 1e3, config::kOpenLow});
  v("label_smoothing", label_smoothing, "share of a label that is spread over all classes", Range{0, 1, config::kOpenHigh});
  v("pooling", pooling, "the encoder's feature: its own, its class token, the mean of its patches, or both",
    OneOf{{"auto", "cls", "mean_patch", "cls_mean"}});
  mix.visit(v);
  v("layer_decay", layer_decay, "learning rate factor from a block to the one below; 1: the same everywhere", Range{0, 1, config::kOpenLow});
}

void DistillLogitsConfig::validate(config::Problems& p) const {
  if (teacher.empty()) p.add("teacher", "no teacher is given; write method.teacher=PATH (a run of method.name=classify)");
  for (const auto& [key, list] : {std::pair{"teacher_mean", &teacher_mean}, {"teacher_std", &teacher_std}})
    if (!list->empty() && list->size() != 3) p.add(key, fmt::format("{} numbers (need 3, or none)", list->size()));
  if (!distillation_token && targets == "hard") p.add("targets", "hard targets are for the distillation token; set targets=soft");
  if (targets == "hard" && temperature != 1) p.add("temperature", "hard targets have none; set targets=soft, or leave it at 1");
}

DistillLogits::DistillLogits(const DistillLogitsConfig& config, nn::EncoderSpec encoder, data::ClassList classes, uint64_t seed,
                             const std::shared_ptr<Comm>& comm)
    : config_(config), encoder_(student_spec(config, std::move(encoder))), classes_(std::move(classes)), seed_(seed) {
  teacher_ = nn::load_classifier(config_.teacher);
  for (Tensor& p : teacher_.encoder.model->parameters()) p.set_requires_grad(false);
  check_teacher_classes(teacher_, config_.teacher, classes_);
  view_ =
      TeacherView(teacher_.encoder.spec, {config_.teacher_size_px, config_.teacher_mean, config_.teacher_std}, encoder_, "method.teacher_size_px");
  const auto parts = register_module("teacher", std::make_shared<torch::nn::Module>("teacher"));  // so that they move with the objective
  parts->register_module("backbone", teacher_.encoder.model);
  parts->register_module("head", teacher_.head);
  if (!teacher_.head_dist.is_empty()) parts->register_module("head_dist", teacher_.head_dist);
  student_ = register_module("student", ClassifierNet(encoder_.model, classes_.size(), config_.distillation_token, comm));
  student_->init_weights(seed_);
}

Tensor DistillLogits::teacher_logits(const std::vector<Tensor>& groups_BCHW) {
  const at::NoGradGuard no_grad;
  teacher_.encoder.model->eval();  // whatever the student's mode is
  std::vector<Tensor> logits;
  for (const Tensor& group : groups_BCHW) logits.push_back(teacher_.logits(view_.images(group)));
  return at::cat(logits);
}

Tensor DistillLogits::distance(const ClassLogits& student, const Tensor& teacher_NC, const Tensor& labels) const {
  if (!config_.distillation_token)
    return hinton_kd_loss(student.cls_NC, teacher_NC, labels, config_.temperature, config_.alpha, config_.label_smoothing).loss;
  const DeitOptions options{config_.targets, config_.alpha, config_.temperature, config_.label_smoothing};
  return deit_loss(student.cls_NC, student.distillation_NC, teacher_NC, labels, options);
}

train::Loss DistillLogits::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const LabelledViews views = labelled_views(batch, classes_.size(), config_.mix, seed_, "distill_logits");
  const Tensor teacher = teacher_logits(views.groups_BCHW);
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const ClassLogits student = student_->forward(views.groups_BCHW, drop_path);
  train::Loss loss;
  loss.total = distance(student, teacher, views.labels);
  if (progress.log_step) {
    loss.parts.emplace_back("accuracy", accuracy(student.prediction(), views.labels));
    loss.parts.emplace_back("teacher_accuracy", accuracy(teacher, views.labels));
  }
  return loss;
}

State DistillLogits::state() {
  State state = student_state(*student_, encoder_);
  state.values["classes"] = classes_.names;
  add_teachers(state, {identity()});
  return state;
}

void DistillLogits::load_state(const State& state) {
  check_classes(state, classes_, "distill_logits");
  check_teachers(state, {identity()}, "distill_logits");
  load_student(*student_, state);
}

}  // namespace eosin::ssl
