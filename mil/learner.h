#pragma once
// One model while it learns: head, optimizer, schedule, draws and early stopping of its own. Bags are handed to it; it never asks for one.
#include "core/base/config.h"
#include "core/tensor/state.h"
#include "data/bag_store.h"
#include "mil/heads.h"
#include "mil/task.h"
#include "optim/optimizers.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::mil {

/// How every model of a job is trained.
struct FitConfig {
  int64_t epochs = 100, batch_size = 1;
  double clip_grad = 0;
  config::Choice optim{optim::optimizer_table(), "adamw"}, schedule{optim::schedule_table(), "linear_warmup_cosine"};

  FitConfig();
  void visit(config::Visitor& v);  // the `train` block; optim and schedule are blocks of their own
};

/// How good answers for these bags are, higher is better. It is only ever shown a fold's validation bags.
using Judge = std::function<double(const Tensor& answers_MC, const std::vector<int64_t>& bags)>;
/// What chooses a model's epoch: the least mean loss of the validation bags, what a judge says of the answers for them, or nothing (the last).
struct Selection {
  enum class By { Loss, Answers, Last } by = By::Loss;
  Judge judge = {};
  int64_t patience = 0, min_epochs = 0;  // epochs without a better validation after which a model stops (0: never), and before which it does not
};

/// Which training bags an epoch holds: each once; or as many draws with replacement as there are, every class alike (the weighted sampling of CLAM).
enum class Sampling { Natural, ClassBalanced };

/// A split as its models see it: bags by number, and what was fitted on the training ones.
struct Fold {
  std::string name;
  std::vector<int64_t> train, val, test;
  Sampling sampling = Sampling::Natural;
  std::shared_ptr<const Task> task;
  data::FeatureScale scale;
  Selection selection;
};

/// What a model is. The key is its own in the grid and names it in records.
struct Trial {
  std::string key;
  config::Choice head;
  size_t fold = 0;
  uint64_t seed = 0;  // of initial weights, of the order of bags and of every draw in training
  double lr = 0, weight_decay = 0;
  bool shuffled = false;  // the tiles of every bag change places, for good: what is left of a head that uses places
};

struct TrialResult {
  int64_t epoch = 0, epochs = 0;       // the chosen one (from 1), and how many were trained
  double score = 0;                    // of the chosen one, higher is better
  Tensor val_MC, test_MC;              // answers for the fold's bags in their order; undefined where it has none
  std::vector<double> losses, scores;  // by epoch
  std::string failure;                 // why it has no answers
  TensorMap weights;                   // of the chosen epoch
};

class Learner {
 public:
  /// Fold, config and labels are kept by reference. `n_bags` is that of the cohort; `labels` of all of them (empty: survival) are for heads that
  /// learn from them, and for balanced sampling.
  Learner(const Trial& trial, const Fold& fold, const FitConfig& fit, int64_t in_dim, int64_t n_bags, const std::vector<int64_t>& labels);
  ~Learner();

  /// Draws which bags the epoch holds.
  void begin_epoch();
  bool trains_on(int64_t bag) const { return times_[static_cast<size_t>(bag)] > 0; }
  /// A block of the epoch's bags (all of them, over the blocks), which the model takes in an order of its own: a function of its seed, the epoch and
  /// the blocks so far. A step is taken whenever batch_size bags have been.
  void learn(std::span<const int64_t> numbers, std::span<const data::BagBatch> bags);
  /// Takes the step of the bags that are left over.
  void end_epoch();
  /// Validates: each validation bag once, then judge().
  bool validates_on(int64_t bag) const { return val_at_[static_cast<size_t>(bag)] >= 0; }
  void validate(int64_t number, const data::BagBatch& bag);
  /// Keeps the weights if the epoch is the best so far; done() may become true.
  void judge();
  bool done() const { return done_; }
  /// Back to the chosen epoch, for the test bags.
  void choose();
  bool tests_on(int64_t bag) const { return test_at_[static_cast<size_t>(bag)] >= 0; }
  void test(int64_t number, const data::BagBatch& bag);
  /// Between epochs: everything that learning has changed, so that a model that takes it goes on to the same bits.
  State state() const;
  /// Errors   those of the optimizer's; Data: weights of another model.
  void load_state(const State& state);
  int64_t epochs() const { return epoch_; }
  /// The model's end. `failure`: of a model that could not go on.
  TrialResult result(const std::string& failure = "");

 private:
  void take(int64_t number, const data::BagBatch& bag);
  data::BagBatch prepared(int64_t number, const data::BagBatch& bag) const;
  Tensor logits_of(int64_t number, const data::BagBatch& bag);
  void step();
  TensorMap weights() const;
  void put(const TensorMap& weights);

  const Fold& fold_;
  const FitConfig& fit_;
  const std::vector<int64_t>& labels_;
  uint64_t seed_;
  bool shuffled_;
  std::shared_ptr<Head> head_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::Schedule lr_, weight_decay_;
  std::vector<int64_t> times_;                  // that the epoch holds each bag
  std::vector<std::vector<int64_t>> of_class_;  // training bags of each class that has some; for balanced sampling
  std::vector<int64_t> val_at_, test_at_;       // position of each bag among the fold's, or -1
  int64_t total_steps_ = 0, steps_ = 0, seen_ = 0, epoch_ = 0;
  uint64_t block_ = 0;  // of the epoch
  double epoch_loss_ = 0;
  int64_t epoch_bags_ = 0;
  std::vector<data::BagBatch> pending_;
  std::vector<int64_t> pending_bags_;
  std::vector<Tensor> val_logits_, test_logits_;
  bool done_ = false;
  TrialResult result_;
};

}  // namespace eosin::mil
