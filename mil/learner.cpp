#include "mil/learner.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/sampler.h"
#include "optim/clip.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace eosin::mil {
namespace {

/// Position of each of `n` bags in `part`, -1 for the others.
std::vector<int64_t> positions(const std::vector<int64_t>& part, int64_t n) {
  std::vector<int64_t> at(static_cast<size_t>(n), -1);
  for (size_t i = 0; i < part.size(); ++i) at.at(static_cast<size_t>(part[i])) = static_cast<int64_t>(i);
  return at;
}

std::vector<std::vector<int64_t>> by_class(const std::vector<int64_t>& bags, const std::vector<int64_t>& labels) {
  std::map<int64_t, std::vector<int64_t>> found;
  for (const int64_t b : bags) found[labels.at(static_cast<size_t>(b))].push_back(b);
  std::vector<std::vector<int64_t>> classes;
  for (auto& [label, of_class] : found) classes.push_back(std::move(of_class));
  return classes;
}

std::unique_ptr<optim::Optimizer> optimizer_of(Head& head, const config::Choice& choice) {
  std::vector<std::pair<std::string, Tensor>> named;
  for (const auto& p : head.named_parameters())
    if (p.value().requires_grad()) named.emplace_back(p.key(), p.value());
  const auto all_alike = [](const std::string&, const optim::Shape&) { return optim::ParamRule{}; };
  return optim::make_optimizer(choice, optim::group_params(named, all_alike, "head"));
}

/// Which tile's features stand at each place of a bag: of (seed, bag) alone.
Tensor other_places(int64_t n, uint64_t seed, int64_t bag) {
  constexpr uint64_t kPlaces = uint64_t{1} << 32;  // no block of an epoch has this number
  const data::Permutation order(static_cast<uint64_t>(n), seed, static_cast<uint64_t>(bag), kPlaces);
  Tensor from_N = at::empty({n}, at::kLong);
  int64_t* from = from_N.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i) from[i] = static_cast<int64_t>(order(static_cast<uint64_t>(i)));
  return from_N;
}

/// The gradients of all parameters that have one, to one norm.
void clip(const optim::Optimizer& optimizer, double max_norm) {
  std::vector<Tensor> grads;
  for (const auto& group : optimizer.groups())
    for (const Tensor& p : group.params)
      if (p.grad().defined()) grads.push_back(p.grad());
  if (!grads.empty()) optim::clip_by_norm(grads, optim::global(static_cast<int64_t>(grads.size())), max_norm);
}

std::string names_of(const std::vector<data::BagBatch>& bags) {
  std::vector<std::string> names;
  for (const auto& bag : bags) names.insert(names.end(), bag.ids.begin(), bag.ids.end());
  return data::first_ten(names);
}

}  // namespace

FitConfig::FitConfig() {
  auto& rates = dynamic_cast<config::ConfigOf<optim::AdamWConfig>&>(optim.config()).value.rates;
  rates.lr = 2e-4, rates.weight_decay = 1e-5;  // CLAM, MHIM, R2T
}

void FitConfig::visit(config::Visitor& v) {
  v("epochs", epochs, "times that every training bag is seen", config::Range{1, 1e6});
  v("batch_size", batch_size, "bags of a step", config::Range{1, 1e6});
  v("clip_grad", clip_grad, "largest norm of all gradients together; 0: as they are", config::Range{0, 1e6});
}

Learner::Learner(const Trial& trial, const Fold& fold, const FitConfig& fit, int64_t in_dim, int64_t n_bags, const std::vector<int64_t>& labels)
    : fold_(fold), fit_(fit), labels_(labels), seed_(trial.seed), shuffled_(trial.shuffled) {
  head_ = make_head(trial.head, {in_dim, fold.task->n_outputs()}, seed_);
  optimizer_ = optimizer_of(*head_, fit.optim);
  const auto n_train = static_cast<int64_t>(fold.train.size());
  total_steps_ = fit.epochs * ((n_train + fit.batch_size - 1) / fit.batch_size);
  lr_ = optim::make_schedule(fit.schedule, trial.lr, total_steps_);
  optim::RatesConfig rates = optim::rates_of(fit.optim);
  rates.weight_decay = trial.weight_decay;
  weight_decay_ = optim::weight_decay_schedule(rates, total_steps_);
  times_.resize(static_cast<size_t>(n_bags));
  for (const int64_t b : fold.train) times_[static_cast<size_t>(b)] = 1;
  if (fold.sampling == Sampling::ClassBalanced) of_class_ = by_class(fold.train, labels);
  val_at_ = positions(fold.val, n_bags), test_at_ = positions(fold.test, n_bags);
  val_logits_.resize(fold.val.size()), test_logits_.resize(fold.test.size());
}

Learner::~Learner() = default;

data::BagBatch Learner::prepared(int64_t number, const data::BagBatch& bag) const {
  data::BagBatch one = bag;
  one.features_ND = fold_.scale.apply(bag.features_ND);
  if (shuffled_) one.features_ND = one.features_ND.index_select(0, other_places(one.features_ND.size(0), seed_, number));
  if (!labels_.empty()) one.labels_B = at::tensor({labels_.at(static_cast<size_t>(number))}, at::kLong);
  return one;
}

void Learner::begin_epoch() {
  block_ = 0;
  if (of_class_.empty()) return;
  RandomStream draws(seed_, static_cast<uint64_t>(epoch_), 1, RandomOp::kBootstrap);
  std::fill(times_.begin(), times_.end(), 0);
  for (size_t i = 0; i < fold_.train.size(); ++i) {
    const auto& bags = of_class_[draws.below(static_cast<uint32_t>(of_class_.size()))];
    ++times_[static_cast<size_t>(bags[draws.below(static_cast<uint32_t>(bags.size()))])];
  }
}

void Learner::learn(std::span<const int64_t> numbers, std::span<const data::BagBatch> bags) {
  std::vector<size_t> mine;
  for (size_t k = 0; k < numbers.size(); ++k) mine.insert(mine.end(), static_cast<size_t>(times_[static_cast<size_t>(numbers[k])]), k);
  const uint64_t block = ++block_;  // from 1: 0 is the stream of the blocks' own order
  if (mine.empty()) return;
  const data::Permutation order(mine.size(), seed_, static_cast<uint64_t>(epoch_), block);
  for (size_t i = 0; i < mine.size(); ++i) {
    const size_t k = mine[order(i)];
    take(numbers[k], bags[k]);
  }
}

void Learner::take(int64_t number, const data::BagBatch& bag) {
  pending_.push_back(prepared(number, bag));
  pending_bags_.push_back(number);
  if (static_cast<int64_t>(pending_.size()) == fit_.batch_size) step();
}

void Learner::step() {
  const Pass pass{DrawKey{seed_, static_cast<uint64_t>(seen_)}, static_cast<double>(steps_) / static_cast<double>(total_steps_)};
  const data::BagBatch batch = pending_.size() == 1 ? pending_[0] : pack_bags(pending_);
  optimizer_->zero_grad();
  const Tensor losses_B = bag_losses(head_->forward(batch, pass), fold_.task->loss(pending_bags_));
  const Tensor loss = losses_B.mean();
  EOSIN_CHECK(std::isfinite(loss.item<double>()), Numeric,
              "[mil] the loss is not finite (step {}, bags {}); lower the learning rate, or look at the features", steps_, names_of(pending_));
  if (loss.requires_grad()) {  // a step of censored patients alone has nothing to teach
    loss.backward();
    if (fit_.clip_grad > 0) clip(*optimizer_, fit_.clip_grad);
    optimizer_->step({lr_(steps_), weight_decay_(steps_)});
    head_->after_update(pass);
  }
  epoch_loss_ += losses_B.detach().to(at::kDouble).sum().item<double>();
  epoch_bags_ += batch.n_bags();
  seen_ += batch.n_bags();
  ++steps_;
  pending_.clear(), pending_bags_.clear();
}

void Learner::end_epoch() {
  if (!pending_.empty()) step();
  result_.losses.push_back(epoch_loss_ / static_cast<double>(std::max<int64_t>(epoch_bags_, 1)));
  epoch_loss_ = 0, epoch_bags_ = 0;
  ++epoch_;
}

Tensor Learner::logits_of(int64_t number, const data::BagBatch& bag) {
  const at::NoGradGuard no_grad;
  const Tensor logits_1C = head_->forward(prepared(number, bag), Pass{}).logits_BC;
  EOSIN_CHECK(logits_1C.isfinite().all().item<bool>(), Numeric, "[mil] the logits of bag '{}' are not finite (after step {})", bag.ids.at(0), steps_);
  return logits_1C;
}

void Learner::validate(int64_t number, const data::BagBatch& bag) {
  val_logits_[static_cast<size_t>(val_at_[static_cast<size_t>(number)])] = logits_of(number, bag);
}

void Learner::judge() {
  const at::NoGradGuard no_grad;
  double score = static_cast<double>(epoch_);  // the last is the best
  Tensor answers_MC;
  if (!val_logits_.empty()) {
    const Tensor logits_MC = at::cat(val_logits_);
    answers_MC = fold_.task->answers(logits_MC);
    if (fold_.selection.by == Selection::By::Loss)
      score = -fold_.task->loss(fold_.val)(logits_MC, at::arange(logits_MC.size(0), at::kLong)).to(at::kDouble).mean().item<double>();
    if (fold_.selection.by == Selection::By::Answers) score = fold_.selection.judge(answers_MC, fold_.val);
  }
  EOSIN_CHECK(std::isfinite(score), Numeric, "[mil] validation gives {} (epoch {})", score, epoch_);
  result_.scores.push_back(score);
  if (result_.epoch == 0 || score > result_.score) {
    result_.epoch = epoch_, result_.score = score, result_.val_MC = answers_MC;
    result_.weights = weights();
  }
  const Selection& s = fold_.selection;
  const bool waited = s.patience > 0 && epoch_ - result_.epoch >= s.patience && epoch_ >= s.min_epochs;
  done_ = epoch_ == fit_.epochs || waited;
}

TensorMap Learner::weights() const {
  TensorMap copy;
  for (const auto& p : head_->named_parameters()) copy[p.key()] = p.value().detach().clone();
  for (const auto& b : head_->named_buffers()) copy[b.key()] = b.value().detach().clone();
  return copy;
}

void Learner::put(const TensorMap& weights) {
  const at::NoGradGuard no_grad;
  const auto put = [&](const std::string& name, Tensor into) {
    const auto it = weights.find(name);
    EOSIN_CHECK(it != weights.end() && it->second.sizes() == into.sizes(), Data, "[mil] a checkpoint without '{}' of this model", name);
    into.copy_(it->second);
  };
  for (auto& p : head_->named_parameters()) put(p.key(), p.value());
  for (auto& b : head_->named_buffers()) put(b.key(), b.value());
}

void Learner::choose() { put(result_.weights); }

State Learner::state() const {
  EOSIN_ASSERT(pending_.empty());
  State s;
  s.add("now", {weights(), {}});
  s.add("best", {result_.weights, {}});
  s.add("optim", optimizer_->state());
  if (result_.val_MC.defined()) s.tensors["val"] = result_.val_MC;
  s.values["counters"] = {steps_, seen_, epoch_, result_.epoch};
  s.values["score"] = result_.score, s.values["done"] = done_;
  s.values["losses"] = result_.losses, s.values["scores"] = result_.scores;
  return s;
}

void Learner::load_state(const State& s) {
  put(s.part("now").tensors);
  optimizer_->load_state(s.part("optim"));
  result_.weights = s.part("best").tensors;
  if (const auto val = s.tensors.find("val"); val != s.tensors.end()) result_.val_MC = val->second;
  const auto counters = s.values.at("counters").get<std::vector<int64_t>>();
  steps_ = counters.at(0), seen_ = counters.at(1), epoch_ = counters.at(2), result_.epoch = counters.at(3);
  result_.score = s.values.at("score"), done_ = s.values.at("done");
  result_.losses = s.values.at("losses").get<std::vector<double>>(), result_.scores = s.values.at("scores").get<std::vector<double>>();
}

void Learner::test(int64_t number, const data::BagBatch& bag) {
  test_logits_[static_cast<size_t>(test_at_[static_cast<size_t>(number)])] = logits_of(number, bag);
}

TrialResult Learner::result(const std::string& failure) {
  result_.epochs = epoch_, result_.failure = failure;
  if (failure.empty() && !test_logits_.empty()) result_.test_MC = fold_.task->answers(at::cat(test_logits_));
  return std::move(result_);
}

}  // namespace eosin::mil
