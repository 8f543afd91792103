#include "mil/grid.h"

#include "core/base/error.h"
#include "core/base/parallel.h"
#include "core/base/stop.h"
#include "data/sampler.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <span>

namespace eosin::mil {
namespace {

/// Torch's operations in one thread each; what the models' threads inherit.
class OneThreadEach {
 public:
  OneThreadEach() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThreadEach() { at::set_num_threads(before_); }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};

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
    for (int64_t epoch = 0; epoch < grid_.fit.epochs && count_learning() > 0; ++epoch) {
      if (stop::requested()) return false;
      const int64_t learning = count_learning();
      each([](Model& m, const Trial&) { m.learner->begin_epoch(); });
      for (auto& block : blocks_of(epoch)) teach(std::move(block));
      each([](Model& m, const Trial&) { m.learner->end_epoch(); });
      share(natural_order(), &Learner::validates_on, &Learner::validate);
      each([](Model& m, const Trial&) { m.learner->judge(); });
      settle();
      if (options_.progress) options_.progress(learning, (learning - count_learning()) * (grid_.fit.epochs - epoch - 1));
    }
    for (Model& m : models_) m.learning = m.failure.empty();
    each([](Model& m, const Trial&) { m.learner->choose(); });
    share(natural_order(), &Learner::tests_on, &Learner::test);
    for (size_t i = 0; i < models_.size(); ++i) options_.finished(trials_[i], models_[i].learner->result(models_[i].failure));
    return true;
  }

 private:
  struct Model {
    std::unique_ptr<Learner> learner;
    bool learning = true;
    std::string failure;
  };

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
