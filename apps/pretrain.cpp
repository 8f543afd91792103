#include "apps/pretrain_config.h"
#include "apps/pretrain_plan.h"
#include "apps/replay.h"
#include "apps/verb.h"
#include "apps/wiring.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/tensor/device.h"
#include "core/tensor/shared_text.h"
#include "eval/report.h"

#include <ATen/Parallel.h>

namespace eosin::apps {
namespace {

/// The page is drawn from what the folder already holds: if it cannot be, the run is none the worse.
void write_run_report(const RunFolder& folder) {
  try {
    eval::write_report({folder.dir()}, folder.path("report.html"));
    log::info("[pretrain] report: {}", folder.path("report.html"));
  } catch (const Error& e) {
    log::warn("[pretrain] no report: {}; `eosin report {}` draws it again", e.what(), folder.dir());
  }
}

/// Sums of floats depend on how many threads share them: a CPU run goes on with the number that it began with, unless run.threads says another.
/// Rank 0's number holds for every rank.
void settle_threads(const PretrainConfig& config, const RunPlace& place) {
  int64_t threads = at::get_num_threads();
  if (place.folder) {
    const auto before = place.folder->noted_before("threads");
    if (place.device.is_cpu() && before.is_number_integer() && before != threads) {
      if (config.run.threads > 0) {
        log::warn("[pretrain] run.threads is {}, the run had {} so far: the parameters will differ in their last bits from an undisturbed run",
                  threads, before.get<int64_t>());
      } else {
        log::info("[pretrain] goes on with {} threads, as the run began, for the same bits (this machine offers {})", before.get<int64_t>(), threads);
        threads = before.get<int64_t>();
      }
    }
    place.folder->note("threads", threads);
  }
  device::set_threads(std::stoll(shared_text(*place.comm, std::to_string(threads))));
}

int train(const Invocation& in, const PretrainConfig& config, const RunPlace& place) {
  settle_threads(config, place);
  Pretraining run(config, place);
  run.resume();
  const int64_t begun = run.steps_done();
  const train::Outcome outcome = run.run();
  if (place.folder) {
    nlohmann::ordered_json result;
    result["run_dir"] = place.dir;
    result["step"] = run.steps_done();
    if (run.steps_done() > begun)
      result["loss"] = run.loss();
    else
      result["loss"] = place.folder->last_metric("loss");  // nothing was left to do
    if (const auto left = run.stain_left()) result["stain_left"] = *left;
    result["images_per_second"] = run.images_per_second();
    if (outcome == train::Outcome::kFinished) write_run_report(*place.folder);
    print_result(in, result);
  }
  if (outcome == train::Outcome::kFinished) return 0;
  log::warn("[pretrain] stopped after step {} with a checkpoint; the same command goes on from there", run.steps_done());
  return kExitStopped;
}

int pretrain(const Invocation& in) {
  for (const std::string& flag : in.flags)
    if (flag.starts_with("--replay=")) return replay(in, flag.substr(flag.find('=') + 1));
  PretrainConfig config = read_pretrain_config(in.source());
  RunPlace place;
  place.env = read_launch_env();
  config.train.micro_batch(place.env.world);
  if (in.dry_run) {
    print_result(in, plan_of(config, place.env.world));
    return 0;
  }
  log::set_rank(place.env.rank, place.env.world);
  place.device = device::prepare(config.run, place.env.local_rank, place.env.local_world);
  place.views = choose_view_form(config, place.env, place.device);
  place.comm = make_comm(place.env);

  std::optional<RunFolder> folder;
  if (place.env.rank == 0) {
    folder.emplace(config.run.dir, config::visit_of(config), "pretrain", RunFolder::Options{in.fresh, in.resume_with_changes});
    place.folder = &*folder;
  }
  place.dir = shared_text(*place.comm, folder ? folder->dir() : "");
  return folder ? folder->record([&] { return train(in, config, place); }) : train(in, config, place);
}

}  // namespace

Verb pretrain_verb() {
  return {"pretrain",
          "pretrain [CONFIG.yaml] [key=value ...]",
          "trains an encoder on tiles, most methods without labels",
          "eosin pretrain data.store=tiles model.name=vit_tiny model.image_size_px=96 train.steps=300 train.batch_size=32 run.dir=runs/dino",
          {"--replay=FILE runs one step of a run again from its last checkpoint (FILE: RUN/replays/step-*.json) and says what is not finite"},
          pretrain,
          make_config<PretrainConfig>()};
}

}  // namespace eosin::apps
