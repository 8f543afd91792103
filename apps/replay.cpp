#include "apps/replay.h"

#include "apps/wiring.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/device.h"
#include "train/finite_trace.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kWindow = 100, kLeast = 10;  // losses that a median is of

double median(std::deque<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Json tiles_of(const data::TileSource& source, const data::TileOrder& order, uint64_t first, int64_t count) {
  Json tiles = Json::array();
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t position = first + static_cast<uint64_t>(i), index = order.at(position);
    Json tile = {{"position", position}, {"index", index}, {"file", source.file(index)}};
    try {
      const data::SampleId id = source.id({index, position});
      tile["slide"] = id.slide, tile["x"] = id.x, tile["y"] = id.y;
    } catch (const Error& e) {
      tile["unreadable"] = e.what();
    }
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

/// The number of threads that the run had: sums of floats depend on it.
void take_threads(const RunPlace& place) {
  const Json manifest = Json::parse(read_file(place.dir + "/manifest.json"), nullptr, false);
  if (place.device.is_cpu() && manifest.is_object() && manifest.contains("threads")) device::set_threads(manifest["threads"].get<int64_t>());
}

Json row_of(const train::ModuleValues& m) {
  return {{"module", m.module},
          {"finite", m.finite()},
          {"weights_finite", m.weights_finite},
          {"input_finite", m.input_finite},
          {"output_finite", m.output_finite},
          {"gradient_finite", m.gradient_finite},
          {"largest_output", m.largest_output},
          {"gradient_norm", m.gradient_norm},
          {"operation", m.operation}};
}

void print_modules(const train::FiniteTrace& trace) {
  size_t width = 6;
  for (const auto& m : trace.modules()) width = std::max(width, m.module.size());
  const auto word = [](bool finite) { return finite ? "finite" : "NOT FINITE"; };
  std::printf("%s\n", fmt::format("{:<{}}  {:<10}  {:<10}  {:<10}  {:<10}  {:>14}  {:>14}", "module", width, "weights", "input", "output", "gradient",
                                  "largest output", "gradient norm")
                          .c_str());
  for (const auto& m : trace.modules())
    std::printf("%s\n", fmt::format("{:<{}}  {:<10}  {:<10}  {:<10}  {:<10}  {:>14.4g}  {:>14.4g}", m.module, width, word(m.weights_finite),
                                    word(m.input_finite), word(m.output_finite), word(m.gradient_finite), m.largest_output, m.gradient_norm)
                            .c_str());
}

}  // namespace

std::string replay_hash(const PretrainConfig& config) {
  PretrainConfig copy = config;
  return config::hash(config::visit_of(copy), {"run.dir", "run.name", "run.device", "run.threads"});
}

ReplayStep read_replay(const std::string& path) {
  const Json file = Json::parse(read_file(path), nullptr, false);
  const auto number = [&](const char* key) { return file.contains(key) && file[key].is_number_integer(); };
  const bool ours = file.is_object() && number("step") && number("checkpoint") && number("first_position") && number("ranks") &&
                    file.contains("config_hash") && file["config_hash"].is_string();
  EOSIN_CHECK(ours, Data, "[replay] {} is no replay file; a run writes them to its folder replays", path);
  ReplayStep step;
  step.run_dir = fs::absolute(path).lexically_normal().parent_path().parent_path().string();
  step.step = file["step"], step.checkpoint = file["checkpoint"], step.ranks = file["ranks"];
  step.first_position = file["first_position"], step.config_hash = file["config_hash"];
  return step;
}

bool ReplayHook::spikes(double loss) {
  const double times = run_.config.watch.loss_spike;
  if (times == 0 || !std::isfinite(loss)) return false;
  const bool high = losses_.size() >= kLeast && loss > times * std::abs(median(losses_)), begins = high && !in_spike_;
  in_spike_ = high;
  losses_.push_back(loss);
  if (losses_.size() > kWindow) losses_.pop_front();
  return begins;
}

void ReplayHook::after(train::StepReport& report) {
  std::string reason = report.reason;
  if (reason.empty() && !report.finite) reason = "not finite";
  if (spikes(report.loss) && reason.empty()) {
    reason = fmt::format("the loss {:.4g} is more than {} times its median before", report.loss, run_.config.watch.loss_spike);
    log::warn("[watch] step {}: {}; `eosin pretrain --replay={}` looks into it", report.done(), reason,
              run_.folder.path(fmt::format("replays/step-{:08}.json", report.done())));
  }
  if (!reason.empty()) write(report, reason);
}

void ReplayHook::write(const train::StepReport& report, const std::string& reason) const {
  const int64_t batch = run_.config.train.batch_size;
  const uint64_t first = run_.position() - static_cast<uint64_t>(batch);
  const std::vector<int64_t> saved = checkpoint_steps(run_.folder.path("checkpoints"));
  Json file;
  file["step"] = report.done();
  file["reason"] = reason;
  file["fault"] = report.fault;
  file["loss"] = report.loss, file["grad_norm"] = report.grad_norm;
  file["checkpoint"] = saved.empty() ? 0 : saved.back();
  file["config_hash"] = replay_hash(run_.config);
  file["ranks"] = run_.ranks;
  file["seed"] = run_.config.run.seed;
  file["first_position"] = first;
  file["tiles"] = tiles_of(*run_.source, run_.order, first, batch);
  fs::create_directories(run_.folder.path("replays"));
  write_file(run_.folder.path(fmt::format("replays/step-{:08}.json", report.done())),
             file.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

int replay(const Invocation& in, const std::string& path) {
  const ReplayStep wanted = read_replay(path);
  config::Source source = config::Source::from_file(wanted.run_dir + "/config.yaml");
  for (const auto& assignment : in.overrides) source.override_with(assignment);
  const PretrainConfig config = read_pretrain_config(source);
  EOSIN_CHECK(replay_hash(config) == wanted.config_hash, Config, "[replay] {}/config.yaml is not the config that {} was written under",
              wanted.run_dir, path);
  RunPlace place;
  place.env = read_launch_env();
  EOSIN_CHECK(place.env.world == wanted.ranks, Config, "[replay] the step had {} ranks, here are {}; start it as the run was", wanted.ranks,
              place.env.world);
  log::set_rank(place.env.rank, place.env.world);
  place.device = device::prepare(config.run, place.env.local_rank, place.env.local_world);
  place.views = choose_view_form(config, place.env, place.device);
  place.comm = make_comm(place.env);
  place.dir = wanted.run_dir;
  take_threads(place);

  Pretraining run(config, place);
  const auto [trace, loss] = run.replay(wanted.checkpoint, wanted.step, wanted.first_position);
  const std::string fault = trace.fault();
  if (!fault.empty()) log::warn("[replay] rank {}, step {}: {}", place.env.rank, wanted.step, fault);
  if (place.env.rank != 0) return 0;
  if (!in.json) {
    print_modules(trace);
    std::printf("%s\n", fmt::format("step {}: loss {}; {}", wanted.step, loss, fault.empty() ? "all values are finite" : fault).c_str());
    return 0;
  }
  Json modules = Json::array();
  for (const auto& m : trace.modules()) modules.push_back(row_of(m));
  print_result(in, {{"step", wanted.step}, {"checkpoint", wanted.checkpoint}, {"loss", loss}, {"fault", fault}, {"modules", modules}});
  return 0;
}

}  // namespace eosin::apps
