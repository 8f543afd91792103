// A small real training process: what tests start, stop and kill.
#include "core/base/error.h"
#include "core/base/run_folder.h"
#include "core/base/stop.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/safetensors.h"
#include "data/png.h"
#include "tests/train/toy.h"
#include "train/checkpoint_hook.h"
#include "train/log_hook.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace eosin::train {
namespace {

struct Config {
  std::string dir;
  int64_t rank = 0, world = 1, port = 0, pause_ms = 0;
  TrainConfig train = toy::config(40);
  void visit(config::Visitor& v) {
    v("dir", dir, "run folder");
    v("rank", rank, "this process");
    v("world", world, "processes");
    v("port", port, "of rank 0's store");
    v("pause_ms", pause_ms, "sleep after every step");
    v("train", train, "the loop");
  }
};

struct Pause final : Hook {
  explicit Pause(int64_t ms) : time(ms) {}
  void after(StepReport&) override { std::this_thread::sleep_for(time); }
  std::chrono::milliseconds time;
};

/// Every ten steps a picture of 4 x 6 pixels whose grey is the step.
struct Draw final : Hook {
  explicit Draw(std::shared_ptr<EventWriter> writer) : events(std::move(writer)) {}
  void after(StepReport& report) override {
    if (report.done() % 10 != 0) return;
    data::Image image(4, 6);
    std::fill(image.rgb.begin(), image.rgb.end(), static_cast<uint8_t>(report.done()));
    const auto png = data::encode_png(image);
    events->image("picture", report.done(), {reinterpret_cast<const char*>(png.data()), png.size()}, 4, 6, 3);
  }
  std::shared_ptr<EventWriter> events;
};

int run(Config& config) {
  LaunchEnv env;
  env.rank = env.local_rank = static_cast<int>(config.rank), env.world = env.local_world = static_cast<int>(config.world);
  env.master_port = static_cast<int>(config.port);
  toy::Run run(config.train, make_comm(env, 60.0));

  std::optional<RunFolder> folder;
  if (config.rank == 0) folder.emplace(config.dir, config::visit_of(config.train), "toy");
  run.comm->barrier();
  const auto found = load_latest(config.dir + "/checkpoints");
  run.comm->barrier();
  if (found) run.trainer.load_state(found->state);
  LogSinks sinks;
  if (folder) {
    folder->truncate_metrics_after(found ? found->step : 0);
    sinks.row = [&](const nlohmann::ordered_json& row) { folder->add_metrics(row); };
    sinks.events = std::make_shared<EventWriter>(config.dir + "/tensorboard", run.trainer.progress().step + 1);
  }
  if (sinks.events) run.trainer.add(std::make_shared<Draw>(sinks.events));
  run.trainer.add(std::make_shared<LogHook>(sinks, config.train.batch_size, 0, [&] { return run.task.data_wait_seconds(); }));
  run.trainer.add(std::make_shared<CheckpointHook>(
      CheckpointHook::Plan{config.dir + "/checkpoints", config.train.checkpoint_every, config.train.keep}, [&] { return run.trainer.state(); },
      *run.comm));
  if (config.pause_ms > 0) run.trainer.add(std::make_shared<Pause>(config.pause_ms));
  if (run.trainer.run() == Outcome::kStopped) return kExitStopped;
  if (folder) write_safetensors(config.dir + "/final.safetensors", run.net->state().tensors);
  return 0;
}

}  // namespace
}  // namespace eosin::train

int main(int argc, char** argv) {
  at::set_num_threads(1);
  eosin::stop::install();
  try {
    eosin::config::Source source;
    for (int i = 1; i < argc; ++i) source.override_with(argv[i]);
    eosin::train::Config config;
    eosin::config::read(source, config);
    return eosin::train::run(config);
  } catch (const eosin::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.kind());
  }
}
