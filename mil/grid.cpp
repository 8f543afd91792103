#include "mil/grid.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/parallel.h"
#include "core/base/stop.h"
#include "core/tensor/checkpoint.h"
#include "data/sampler.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <span>

namespace eosin::mil {
namespace {

/// Torch's operations in one thread each.
class OneThreadEach {
 public:
  OneThreadEach() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThreadEach() { at::set_num_threads(before_); }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};

constexpr int64_t kKept = 2;  // checkpoints: the last may be damaged

/// Models that are trained side by side.
class Stack {
 public:
  Stack(const Grid& grid, std::span<const Trial> trials, const GridOptions& options) : grid_(grid), trials_(trials), options_(options) {
    models_.resize(trials.size());
    each([&](Model& m, const Trial& trial) {
      m.learner = std::make_unique<Learner>(trial, grid_.folds.at(trial.fold), grid_.fit, grid_.bags.dim(), grid_.bags.size(), grid_.labels);
    });
  }

  /// False if a stop was asked for.
  bool train() {
    resume();
    for (int64_t epoch = epoch_; epoch < grid_.fit.epochs && count_learning() > 0; ++epoch) {
      if (stop::requested()) return keep(), false;
      const int64_t learning = count_learning();
      each([](Model& m, const Trial&) { m.learner->begin_epoch(); });
      for (auto& block : blocks_of(epoch)) teach(std::move(block));
      each([](Model& m, const Trial&) { m.learner->end_epoch(); });
      share(natural_order(), &Learner::validates_on, &Learner::validate);
      each([](Model& m, const Trial&) { m.learner->judge(); });
      settle();
      if (options_.progress) options_.progress(learning, (learning - count_learning()) * (grid_.fit.epochs - epoch - 1));
      epoch_ = epoch + 1;
      if (Clock::now() - kept_ >= std::chrono::duration<double>(options_.checkpoint_s)) keep();
    }
    for (Model& m : models_) m.learning = m.failure.empty();
    each([](Model& m, const Trial&) { m.learner->choose(); });
    share(natural_order(), &Learner::tests_on, &Learner::test);
    for (size_t i = 0; i < models_.size(); ++i) options_.finished(trials_[i], models_[i].learner->result(models_[i].failure));
    if (!options_.checkpoints.empty()) std::filesystem::remove_all(options_.checkpoints);
    return true;
  }

 private:
  struct Model {
    std::unique_ptr<Learner> learner;
    bool learning = true;
    std::string failure;
  };

  using Clock = std::chrono::steady_clock;

  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const Trial& t : trials_) keys.push_back(t.key);
    return keys;
  }

  /// Between epochs.
  void keep() {
    if (options_.checkpoints.empty() || epoch_ == 0) return;
    State all;
    all.values["keys"] = keys();
    for (size_t i = 0; i < models_.size(); ++i) {
      State of_model = models_[i].failure.empty() ? models_[i].learner->state() : State{};
      of_model.values["failure"] = models_[i].failure;
      all.add(std::to_string(i), of_model);
    }
    save_checkpoint(options_.checkpoints, epoch_, all, kKept);
    kept_ = Clock::now();
  }

  /// From a checkpoint of these models, if there is one. One of others (a stack that was finished as the process was killed) goes.
  void resume() {
    if (options_.checkpoints.empty()) return;
    const auto found = load_latest(options_.checkpoints);
    if (!found || found->state.values.at("keys") != keys()) return void(std::filesystem::remove_all(options_.checkpoints));
    epoch_ = found->step;
    int64_t epochs = 0, skipped = 0;
    for (size_t i = 0; i < models_.size(); ++i) {
      const State of_model = found->state.part(std::to_string(i));
      models_[i].failure = of_model.values.at("failure");
      if (models_[i].failure.empty()) models_[i].learner->load_state(of_model);
      const int64_t done = models_[i].failure.empty() ? models_[i].learner->epochs() : epoch_;
      epochs += done;
      if (!models_[i].failure.empty() || models_[i].learner->done()) skipped += grid_.fit.epochs - done;
    }
    settle();
    log::info("[mil] {} models go on from epoch {}", models_.size(), epoch_);
    if (options_.progress) options_.progress(epochs, skipped);
  }

  int64_t count_learning() const {
    return std::count_if(models_.begin(), models_.end(), [](const Model& m) { return m.learning; });
  }
  /// Models that failed or are done learn no more.
  void settle() {
    for (Model& m : models_) m.learning = m.failure.empty() && !m.learner->done();
  }

  /// All bags of the cohort, so that a block does not depend on the models that are there.
  std::vector<std::vector<int64_t>> blocks_of(int64_t epoch) const {
    const data::Permutation order(static_cast<uint64_t>(grid_.bags.size()), grid_.order_seed, static_cast<uint64_t>(epoch));
    std::vector<std::vector<int64_t>> blocks(1);
    int64_t bytes = 0;
    for (int64_t i = 0; i < grid_.bags.size(); ++i) {
      const auto b = static_cast<int64_t>(order(static_cast<uint64_t>(i)));
      const int64_t more = grid_.bags.summaries()[static_cast<size_t>(b)].bytes;
      if (bytes > 0 && bytes + more > grid_.block_bytes) blocks.emplace_back(), bytes = 0;
      blocks.back().push_back(b), bytes += more;
    }
    return blocks;
  }
  std::vector<int64_t> natural_order() const {
    std::vector<int64_t> bags;
    for (int64_t i = 0; i < grid_.bags.size(); ++i) bags.push_back(i);
    return bags;
  }

  /// work(model, trial) for every model that learns, side by side. A number that is not finite is the model's own failure.
  template <class Work>
  void each(Work work) {
    parallel_for(models_.size(), options_.threads, [&](size_t i) {
      at::init_num_threads();  // a new thread begins with OpenMP's number, not with OneThreadEach's
      Model& m = models_[i];
      if (!m.learning || !m.failure.empty()) return;
      try {
        work(m, trials_[i]);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Numeric) throw;
        m.failure = e.what();
      }
    });
  }

  using Wants = bool (Learner::*)(int64_t) const;
  void keep_wanted(std::vector<int64_t>& bags, Wants wants) const {
    std::erase_if(bags, [&](int64_t b) {
      return std::none_of(models_.begin(), models_.end(), [&](const Model& m) { return m.learning && ((*m.learner).*wants)(b); });
    });
  }

  /// Hands every model a block of its epoch.
  void teach(std::vector<int64_t> block) {
    keep_wanted(block, &Learner::trains_on);
    std::vector<data::BagBatch> bags;
    for (const int64_t b : block) bags.push_back(grid_.bags.bag(b));
    each([&](Model& m, const Trial&) { m.learner->learn(block, bags); });
  }

  /// Hands every model the bags that it wants, in this order.
  void share(std::vector<int64_t> order, Wants wants, void (Learner::*take)(int64_t, const data::BagBatch&)) {
    keep_wanted(order, wants);
    grid_.bags.walk(order, [&](size_t first, std::span<const data::BagBatch> bags) {
      each([&](Model& m, const Trial&) {
        for (size_t k = 0; k < bags.size(); ++k)
          if (const int64_t b = order[first + k]; ((*m.learner).*wants)(b)) ((*m.learner).*take)(b, bags[k]);
      });
    });
  }

  const Grid& grid_;
  std::span<const Trial> trials_;
  const GridOptions& options_;
  std::vector<Model> models_;
  int64_t epoch_ = 0;  // done
  Clock::time_point kept_ = Clock::now();
};

}  // namespace

bool train_grid(const Grid& grid, const std::vector<Trial>& trials, const GridOptions& options) {
  EOSIN_ASSERT(options.together > 0 && options.finished);
  const OneThreadEach one_thread;
  const std::span<const Trial> all(trials);
  for (size_t first = 0; first < all.size(); first += static_cast<size_t>(options.together)) {
    const size_t n = std::min(static_cast<size_t>(options.together), all.size() - first);
    if (!Stack(grid, all.subspan(first, n), options).train()) return false;
  }
  return true;
}

}  // namespace eosin::mil
