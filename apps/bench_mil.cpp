#include "apps/bench_mil.h"

#include "core/base/error.h"
#include "core/tensor/device.h"
#include "mil/abmil.h"
#include "mil/grid.h"

#include <ATen/ATen.h>

namespace eosin::apps {
namespace {

int64_t width_of(const MilBench& c, int64_t model) { return c.widths[static_cast<size_t>(model) % c.widths.size()]; }

class RandomBags final : public data::BagSource {
 public:
  explicit RandomBags(const MilBench& c) : bench_(c) {}
  int64_t size() const override { return bench_.bags; }
  data::BagBatch read(int64_t) const override {
    data::BagBatch bag;
    bag.features_ND = at::randn({bench_.tiles, bench_.in_dim});
    bag.offsets = {0, bench_.tiles};
    return bag;
  }

 private:
  MilBench bench_;
};

/// Bags, one fold that trains on all of them, and the models.
struct MilJob {
  data::BagStore bags;
  mil::Outcomes outcomes;
  mil::Grid grid;
  std::vector<mil::Trial> trials;

  explicit MilJob(const MilBench& c) : bags(std::make_unique<RandomBags>(c), {.memory_bytes = int64_t{1} << 40}), grid{bags, {}, {}, {}, 0} {
    mil::Fold& fold = grid.folds.emplace_back();
    outcomes.n_classes = 2;
    for (int64_t b = 0; b < c.bags; ++b) fold.train.push_back(b), outcomes.label.push_back(b % 2);
    fold.task = mil::fit_task(config::Choice(mil::task_table(), "classes"), outcomes, fold.train);
    fold.selection.by = mil::Selection::By::Last;
    grid.labels = outcomes.label;
    grid.fit.epochs = c.epochs;
    for (int64_t i = 0; i < c.models; ++i) trials.push_back(trial(c, i));
  }

 private:
  static mil::Trial trial(const MilBench& c, int64_t i) {
    mil::Trial trial{.key = std::to_string(i),
                     .head = config::Choice(mil::head_table(), "abmil"),
                     .seed = static_cast<uint64_t>(c.run.seed + i),
                     .lr = 1e-4,
                     .weight_decay = 1e-5};
    auto& abmil = dynamic_cast<config::ConfigOf<mil::AbmilConfig>&>(trial.head.config()).value;
    const int64_t width = width_of(c, i);
    abmil.embed_dims = {width}, abmil.attention_dim = width / 2, abmil.gated = true, abmil.dropout = c.dropout;
    return trial;
  }
};

/// Products of a step: into the layer, out of it to its weights; both of attention's forward, to its weights and back.
double step_flops(const MilBench& c, int64_t width) {
  const auto n = static_cast<double>(c.tiles), in = static_cast<double>(c.in_dim), w = static_cast<double>(width), a = static_cast<double>(width / 2);
  return 2 * n * (2 * in * w + 3 * 2 * w * a);
}

}  // namespace

std::vector<std::function<Figure()>> mil_cases(const MilBench& c, bool peers) {
  RunConfig run;
  run.seed = c.run.seed, run.threads = c.run.threads, run.device = "cpu";
  device::prepare(run);
  const auto job = std::make_shared<MilJob>(c);
  double flops = 0;
  for (int64_t i = 0; i < c.models; ++i) flops += step_flops(c, width_of(c, i));
  flops *= static_cast<double>(c.bags * c.epochs);
  std::vector<std::function<Figure()>> cases = {[=] {
    Figure figure = timed("eosin", [&] {
      mil::GridOptions options;
      options.threads = c.run.used_threads(), options.together = c.models;
      options.finished = [](const mil::Trial& trial, const mil::TrialResult& result) {
        EOSIN_CHECK(result.failure.empty(), Numeric, "[bench] model {}: {}", trial.key, result.failure);
      };
      mil::train_grid(job->grid, job->trials, options);
      return c.models * c.bags * c.epochs;
    });
    figure.flops = flops;
    return figure;
  }};
  if (peers)
    cases.push_back([=] {
      return run_peer("mil.py",
                      {"--bags", std::to_string(c.bags), "--tiles", std::to_string(c.tiles), "--dim", std::to_string(c.in_dim), "--epochs",
                       std::to_string(c.epochs), "--models", std::to_string(c.models), "--widths", fmt::format("{}", fmt::join(c.widths, ",")),
                       "--dropout", fmt::format("{}", c.dropout), "--threads", std::to_string(c.run.used_threads())});
    });
  return cases;
}

}  // namespace eosin::apps
