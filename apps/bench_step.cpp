#include "apps/bench_step.h"

#include "apps/peak_memory.h"
#include "apps/pretrain_config.h"
#include "core/base/error.h"
#include "core/base/machine.h"
#include "core/tensor/comm.h"
#include "core/tensor/device.h"
#include "core/tensor/flop_counter.h"
#include "data/view.h"
#include "optim/adamw.h"
#include "optim/clip.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace eosin::apps {
namespace {

constexpr std::array kPeers = {"dino", "ibot", "dinov2", "mae", "simclr", "byol", "moco_v3", "barlow_twins", "vicreg"};

/// The preset that a method's recipe in configs/ssl has.
std::string usual_views(const std::string& method) {
  if (method == "barlow_twins" || method == "vicreg" || method == "byol") return "moco_v3";
  if (method == "dino") return "dinov2";
  for (const config::ConfigRow& row : data::view_presets())
    if (row.name == method) return method;
  return "supervised";
}

data::ViewBatch random_batch(const data::MultiCropConfig& views, int64_t batch_size, c10::Device where) {
  data::ViewBatch batch;
  for (const data::ViewRule& rule : data::view_rules(views))
    batch.views_BCHW.push_back(at::randn({batch_size, 3, rule.size_px, rule.size_px}, at::TensorOptions(where)));
  batch.ids.resize(static_cast<size_t>(batch_size));
  return batch;
}

/// A method with its optimizer and one batch, and the time that each stage of its steps took.
class StepRun {
 public:
  StepRun(const StepBench& c, c10::Device where) : where_(where), precision_(c.precision == "bf16" ? at::kBFloat16 : at::kFloat) {
    const data::MultiCropConfig views = c.crops();
    objective_ = ssl::make_objective(c.method, {c.model, views.mean, views.std, static_cast<uint64_t>(c.run.seed), make_single_comm(), {}, {}});
    objective_->to(where_);
    optimizer_ = std::make_unique<optim::AdamW>(optim::AdamWConfig{}, objective_->param_groups());
    optimizer_->add_averages(objective_->averages());
    batch_ = random_batch(views, c.batch_size, where_);
  }

  /// A step before all others, which allocates what they use again.
  void warm_up() {
    const FlopCounter counter;
    run(1);
    flops_ = counter.flops();
  }

  /// The images that were seen.
  int64_t run(int64_t steps) {
    stages_ = {{"forward", 0}, {"backward", 0}, {"clip", 0}, {"update", 0}};
    double loss = 0;
    for (int64_t step = 0; step < steps; ++step) loss = take_step(step).item<double>();  // waits for the device
    EOSIN_CHECK(std::isfinite(loss), Numeric, "[bench] the loss of random views is not finite");
    return steps * images();
  }

  int64_t images() const { return static_cast<int64_t>(batch_.ids.size()); }
  double flops() const { return flops_; }
  const std::vector<std::pair<std::string, double>>& stages() const { return stages_; }

 private:
  Tensor take_step(int64_t step) {
    const train::Progress progress{.step = step, .steps = 1000, .samples = step * images()};
    train::Loss loss;
    timed_stage(0, [&] {
      const device::Autocast autocast(where_, precision_);
      loss = objective_->forward(batch_, progress);
    });
    timed_stage(1, [&] { loss.total.backward(); });
    timed_stage(2, [&] { clip(); });
    timed_stage(3, [&] {
      optimizer_->step({.lr = 1e-4, .weight_decay = 0.04, .ema_momentum = objective_->momentum(progress)});
      optimizer_->zero_grad();
      objective_->after_update(progress);
    });
    return loss.total.detach();
  }

  void clip() {
    std::vector<Tensor> grads;
    for (const auto& group : optimizer_->groups())
      for (const Tensor& p : group.params)
        if (p.grad().defined()) grads.push_back(p.grad());
    optim::clip_by_norm(grads, optim::global(static_cast<int64_t>(grads.size())), 3.0);
  }

  void timed_stage(size_t stage, const std::function<void()>& work) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    work();
    stages_[stage].second += std::chrono::duration<double>(Clock::now() - begin).count();
  }

  c10::Device where_;
  at::ScalarType precision_;
  std::shared_ptr<ssl::ViewObjective> objective_;
  std::unique_ptr<optim::AdamW> optimizer_;
  data::ViewBatch batch_;
  double flops_ = 0;
  std::vector<std::pair<std::string, double>> stages_;
};

std::vector<std::string> peer_arguments(const StepBench& c, c10::Device where) {
  const nlohmann::json model = {{"timm_name", nn::backbone(c.model.name).timm_name},
                                {"image_size_px", c.model.image_size_px},
                                {"patch_size", c.model.patch_size},
                                {"drop_path_rate", nn::drop_path_rate(c.model)}};
  StepBench copy = c;
  const auto settings = config::to_json(config::visit_of(copy)).at("method");
  return {"--method",    c.method.name(),
          "--settings",  settings.dump(),
          "--model",     model.dump(),
          "--views",     view_keys(c.crops()).dump(),
          "--batch",     std::to_string(c.batch_size),
          "--steps",     std::to_string(c.steps),
          "--threads",   std::to_string(c.run.used_threads()),
          "--device",    where.is_cuda() ? "cuda" : "cpu",
          "--precision", c.precision};
}

}  // namespace

int64_t BenchThreads::used_threads() const { return eosin::used_threads(threads); }

void StepBench::visit(config::Visitor& v) {
  v("model", model, "the backbone");
  v("method", method, "what is trained");
  v("views", views, "a preset of views (eosin list views), of random numbers here; absent: the method's usual one");
  v("precision", precision, "of products: fp32, or bf16 by autocast", config::OneOf{{"fp32", "bf16"}});
  v("compiled_peer", compiled_peer, "with --peer also the peer under torch.compile");
  v("batch_size", batch_size, "images a step", config::Range{1, 65536});
  v("steps", steps, "steps a repeat", config::Range{1, 1e6});
  v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
  v("run", run, "device, threads and seed");
}

data::MultiCropConfig StepBench::crops() const { return sized_views(data::view_preset(views.value_or(usual_views(method.name()))), model); }

void StepBench::validate(config::Problems& p) const {
  const data::MultiCropConfig sized = crops();
  ssl::RunShape shape = ssl::shape_of(model);
  shape.steps = 1000, shape.batch = batch_size;
  shape.crop_sizes.assign(static_cast<size_t>(sized.n_global), sized.global_size());
  shape.crop_sizes.insert(shape.crop_sizes.end(), static_cast<size_t>(sized.n_local), sized.local_size());
  ssl::check_run(method, shape, p);
}

nlohmann::ordered_json view_keys(data::MultiCropConfig config) {
  config.global_size_px = config.global_size(), config.local_size_px = config.local_size();
  return config::to_json(config::visit_of(config));
}

std::vector<std::function<Figure()>> step_cases(const StepBench& c, bool peers) {
  const bool has_peer = std::find(kPeers.begin(), kPeers.end(), c.method.name()) != kPeers.end();
  EOSIN_CHECK(!peers || has_peer, Config, "[bench.method] there is no peer for {}; leave --peer out", c.method.name());
  RunConfig run;
  run.seed = c.run.seed, run.threads = c.run.threads, run.device = c.run.device;
  const c10::Device where = device::prepare(run);
  const auto step = std::make_shared<StepRun>(c, where);
  step->warm_up();
  std::vector<std::function<Figure()>> cases = {[=] {
    const PeakMemory memory(where);
    Figure figure = timed("eosin", [&] { return step->run(c.steps); });
    figure.flops = step->flops() * static_cast<double>(c.steps);
    figure.peak_bytes = memory.bytes();
    if (where.is_cpu()) figure.stages = step->stages();  // a device is still at work when the host goes on
    return figure;
  }};
  if (!peers) return cases;
  std::vector<std::string> arguments = peer_arguments(c, where);
  cases.push_back([=] { return run_peer("step.py", arguments); });
  if (c.compiled_peer) {
    arguments.emplace_back("--compile");
    cases.push_back([=] { return run_peer("step.py", arguments); });
  }
  return cases;
}

}  // namespace eosin::apps
