#include "apps/wiring.h"

#include "apps/online_probe.h"
#include "apps/pictures.h"
#include "apps/replay.h"
#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/progress_line.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/device.h"
#include "core/tensor/shared_text.h"
#include "data/contact_sheet.h"
#include "data/device_feeder.h"
#include "data/jpeg.h"
#include "data/slide_source.h"
#include "data/store_source.h"
#include "data/view_record.h"
#include "train/alarms.h"
#include "train/checkpoint_hook.h"
#include "train/probe_hook.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

namespace eosin::apps {
namespace {

using train::NamedValues;
using train::StepReport;

/// Writes the tiles that the loaders found bad to failures.jsonl, each once a process; those of other ranks than 0 at log steps.
class QuarantineHook final : public train::Hook {
 public:
  /// `folder` on rank 0 alone.
  QuarantineHook(std::shared_ptr<data::ViewLoader> loader, RunFolder* folder, Comm& comm)
      : loader_(std::move(loader)), folder_(folder), comm_(comm) {}

  void after(StepReport& report) override {
    if (folder_) write(newly_found());
    if (comm_.size() == 1 || (!report.progress.log_step && !report.stopping)) return;
    const nlohmann::json mine = folder_ ? nlohmann::json::array() : newly_found();
    Tensor found = at::full({1}, static_cast<int64_t>(mine.size()), at::kLong);
    comm_.all_reduce_sum(found);
    if (found.item<int64_t>() == 0) return;
    const std::string text = mine.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    for (int rank = 1; rank < comm_.size(); ++rank) {
      const std::string theirs = shared_text(comm_, text, rank);
      if (folder_) write(nlohmann::json::parse(theirs));
    }
  }

 private:
  /// Pairs of a tile's index and the reason.
  nlohmann::json newly_found() {
    auto tiles = nlohmann::json::array();
    if (loader_->quarantine().size() == known_) return tiles;
    known_ = loader_->quarantine().size();
    for (const auto& [index, tile] : loader_->quarantine())
      if (!tile.reason.empty() && written_.insert(index).second) tiles.push_back({std::to_string(index), tile.reason});
    return tiles;
  }
  void write(const nlohmann::json& tiles) const {
    for (const auto& tile : tiles) {
      folder_->add_failure({tile[0], "read", tile[1]});
      log::warn("[data] tile {} is left out: {}", tile[0].get<std::string>(), tile[1].get<std::string>());
    }
  }

  std::shared_ptr<data::ViewLoader> loader_;
  RunFolder* folder_;
  Comm& comm_;
  std::set<uint64_t> written_;
  size_t known_ = 0;
};

/// Writes the steps that were skipped, and the ends and turns of the run, to failures.jsonl.
class IncidentHook final : public train::Hook {
 public:
  explicit IncidentHook(RunFolder& folder) : folder_(folder) {}
  void after(StepReport& report) override {
    const std::string what = !report.reason.empty() ? report.reason : report.finite ? "" : "loss or gradient not finite: skipped";
    if (!what.empty())
      folder_.add_failure({fmt::format("step {}", report.done()), "train", report.fault.empty() ? what : what + "; " + report.fault});
  }

 private:
  RunFolder& folder_;
};

int64_t loader_threads(const PretrainConfig& config, const LaunchEnv& env) {
  if (config.run.threads > 0) return config.run.threads;
  return std::max<int64_t>(1, usable_cores() / env.local_world);
}

data::LoaderPlace loader_place(const PretrainConfig& config, const RunPlace& place) {
  data::LoaderPlace p;
  p.seed = static_cast<uint64_t>(config.run.seed);
  p.rank = place.env.rank, p.world = place.env.world;
  p.local_batch = config.train.micro_batch(place.env.world);
  p.threads = loader_threads(config, place.env);
  p.pinned = place.device.is_cuda();
  p.form = place.views;
  return p;
}

std::shared_ptr<ssl::ViewObjective> build_objective(const PretrainConfig& config, const RunPlace& place, const data::ClassList& classes,
                                                    std::shared_ptr<const data::TileStore> store) {
  ssl::Ingredients with;
  with.model = config.model;
  with.mean = config.views().mean, with.std = config.views().std;
  with.seed = static_cast<uint64_t>(config.run.seed);
  with.comm = place.comm;
  with.classes = classes, with.store = std::move(store);
  std::shared_ptr<ssl::ViewObjective> objective = ssl::make_objective(config.method, with);
  objective->to(place.device);
  objective->train();
  return objective;
}

/// pictures/views.jpg, once a run, and the same for TensorBoard: the first tiles with their crops, for the eye. A run can do without it.
void draw_views(const PretrainConfig& config, const data::TileSource& source, const data::TileOrder& order, const RunFolder& folder,
                train::EventWriter& events) {
  constexpr int64_t kTiles = 4;
  const std::string path = folder.path("pictures/views.jpg");
  if (std::filesystem::exists(path)) return;
  try {
    const auto seed = static_cast<uint64_t>(config.run.seed);
    const data::Image sheet = data::view_sheet(source, order, config.views(), seed, kTiles);
    std::vector<uint8_t> jpeg;
    data::encode_jpeg(sheet, 90, data::Subsampling::k444, jpeg);
    std::filesystem::create_directories(folder.path("pictures"));
    write_file(path, std::span<const uint8_t>(jpeg));
    events.image("views", 0, {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()}, sheet.height, sheet.width, 3);
  } catch (const std::exception& e) {
    log::warn("[pretrain] no picture of the views: {}", e.what());
  }
}

std::vector<data::SlidePlaces> places_of(const PretrainConfig& config, const RunPlace& place) {
  std::optional<ProgressLine> line;
  auto places = data::find_places(config.data.online, place.dir + "/slides", loader_threads(config, place.env), [&](int64_t done, int64_t slides) {
    if (!line) line.emplace("tissue", "slides", slides);
    line->update(done);
  });
  if (!place.folder || place.folder->resumed()) return places;
  for (const data::SlidePlaces& p : places)
    if (p.failed) place.folder->add_failure({p.entry.id, "open", p.reason});
  return places;
}

/// In the log the largest shares, in quotas.csv all.
void show_quotas(const std::vector<data::GroupQuota>& quotas, const RunFolder& folder) {
  constexpr size_t kShown = 20;
  if (quotas.empty()) return;
  const uint64_t round = std::accumulate(quotas.begin(), quotas.end(), uint64_t{0}, [](uint64_t n, const auto& q) { return n + q.quota; });
  std::string csv = "group,tiles,quota\n";
  for (const auto& q : quotas) csv += csv_line({q.name, std::to_string(q.tiles), std::to_string(q.quota)});
  write_file(folder.path("quotas.csv"), csv);
  auto largest = quotas;
  std::stable_sort(largest.begin(), largest.end(), [](const auto& a, const auto& b) { return a.quota > b.quota; });
  log::info("[data] of every {} tiles there come from {} groups (quotas.csv):", round, quotas.size());
  for (size_t i = 0; i < std::min(kShown, largest.size()); ++i)
    log::info("[data]   {} of '{}', which has {}", largest[i].quota, largest[i].name, largest[i].tiles);
}

/// The live line: loss beside the counts.
std::function<void(const StepReport&)> live_line(const train::Progress& from, int64_t steps) {
  const auto line = std::make_shared<ProgressLine>("pretrain", "steps", steps, from.step);
  return [line](const StepReport& report) { line->update(report.done(), fmt::format("loss {:.4f}", report.loss)); };
}

}  // namespace

data::ViewForm choose_view_form(const PretrainConfig& config, const LaunchEnv& env, c10::Device device) {
  constexpr int64_t kEnoughCores = 6;  // that render as fast as a GPU trains
  const std::string& augment = config.data.augment;
  EOSIN_CHECK(augment != "gpu" || device.is_cuda(), Config, "[data.augment] gpu needs a CUDA device (the run is on {}{}); choose cpu or auto",
              device.str(), device::cuda().available ? "" : ": " + device::cuda().why_not);
  if (!device.is_cuda()) return data::ViewForm::kFloat;
  const bool is_worth_it = loader_threads(config, env) < kEnoughCores && data::device_lacks(config.views()).empty();
  const bool on_gpu = augment == "gpu" || (augment == "auto" && is_worth_it);
  log::info("[pretrain] views are rendered on the {}", on_gpu ? "GPU" : "CPU");
  return on_gpu ? data::ViewForm::kDrawn : data::ViewForm::kBfloat16;
}

Pretraining::Pretraining(const PretrainConfig& config, const RunPlace& place) : config_(config), place_(place) {
  open_source();
  take_labels();
  loader_ = std::make_shared<data::ViewLoader>(source_, config_.views(), config_.data.loader, loader_place(config_, place_));
  objective_ = build_objective(config_, place_, classes_, config_.data.store.size() == 1 ? store_ : nullptr);
  const auto feeder = std::make_shared<data::DeviceFeeder>(loader_, place_.device);
  task_ = std::make_unique<train::TypedTask<data::ViewBatch>>(feeder, objective_, place_.device);
  optimizer_ = optim::make_optimizer(config_.optim, task_->param_groups());
  const auto last_checkpoint = [this]() -> std::optional<State> {
    auto found = train::newest_checkpoint(place_.dir + "/checkpoints", *place_.comm);
    if (!found) return {};
    return std::move(found->state);
  };
  trainer_ = std::make_unique<train::Trainer>(
      config_.train, train::TrainerParts{*task_, *optimizer_, *place_.comm, config_.lr_schedule(), config_.weight_decay_schedule(), last_checkpoint});
}

Pretraining::~Pretraining() = default;

std::optional<int64_t> Pretraining::stain_left() const {
  if (config_.views().macenko_p == 0) return {};
  return loader_->counters().stain_left;
}

void Pretraining::open_source() {
  if (!config_.data.from_slides()) {
    const auto stores = std::make_shared<data::StoreSource>(config_.data.store);
    source_ = stores, store_ = stores->first_store();
    return;
  }
  std::vector<data::SlidePlaces> places;
  if (place_.folder) places = places_of(config_, place_);
  shared_text(*place_.comm, "");  // the other ranks wait, and take what rank 0 has written
  if (!place_.folder) places = places_of(config_, place_);
  const auto slides = static_cast<int64_t>(places.size()), open = config_.data.online.open_slides;
  if (slides > open && config_.data.loader.order.name() != "block")
    log::warn("[data] {} slides and {} of them open at a time: most tiles will open one; data.order=block keeps to a few at a time", slides, open);
  source_ = std::make_shared<data::SlideSource>(config_.data.online, std::move(places), static_cast<uint64_t>(config_.run.seed));
}

void Pretraining::take_labels() {
  if (config_.data.labels.column.empty()) return;
  const auto labelled = std::make_shared<data::LabelledSource>(source_, config_.data.labels);
  source_ = labelled, classes_ = labelled->classes();
  for (size_t c = 0; c < classes_.names.size(); ++c) log::info("[data] class {}: '{}', {} tiles", c, classes_.names[c], classes_.tiles[c]);
}

void Pretraining::resume() {
  const auto found = train::newest_checkpoint(place_.dir + "/checkpoints", *place_.comm);
  if (place_.folder) place_.folder->truncate_metrics_after(found ? found->step : 0);
  if (found) {
    trainer_->load_state(found->state);
    log::info("[pretrain] goes on after step {} from {}", found->step, found->path);
  }
  add_hooks();
}

train::Trainer::Examined Pretraining::replay(int64_t checkpoint, int64_t step, int64_t first_position) {
  State state = checkpoint > 0 ? load_checkpoint(checkpoint_path(place_.dir + "/checkpoints", checkpoint)).state : trainer_->state();
  // Where the run went back to this checkpoint later, it was saved anew with other tiles before it.
  state.values["task"]["data"]["position"] = first_position - (step - 1 - checkpoint) * config_.train.batch_size;
  trainer_->load_state(state);
  trainer_->run_until(step - 1);
  return trainer_->examine();
}

void Pretraining::note_data() {
  const char* const from = config_.data.from_slides() ? "slides" : "store";
  const auto& paths = config_.data.from_slides() ? config_.data.online.slides : config_.data.store;
  nlohmann::ordered_json names = paths;
  if (paths.size() == 1) names = paths.front();
  place_.folder->note("data", {{from, names}, {"tiles", source_->n_tiles()}, {"digest", source_->digest()}});
  show_quotas(loader_->order().quotas(), *place_.folder);
}

/// One for each labelled store; their numbers carry the store's name where there are several.
std::function<NamedValues()> Pretraining::probes() const {
  std::vector<std::pair<std::string, std::shared_ptr<OnlineProbe>>> probes;
  if (!place_.folder) return [] { return NamedValues(); };
  const auto add = [&](const std::string& name, std::shared_ptr<const data::TileStore> store) {
    probes.emplace_back(name, std::make_shared<OnlineProbe>(config_.eval, std::move(store), place_.device, loader_threads(config_, place_.env),
                                                            [objective = objective_] { return objective->state(); }));
  };
  for (const std::string& path : config_.eval.store) add(config_.eval.prefix(path), std::make_shared<const data::TileStore>(path));
  if (probes.empty()) add("", store_);
  return [probes] {
    NamedValues all;
    for (const auto& [name, probe] : probes)
      for (auto& [measure, value] : probe->measure()) all.emplace_back(name + measure, value);
    return all;
  };
}

/// Rank 0 alone records and draws.
train::LogSinks Pretraining::sinks() {
  train::LogSinks sinks;
  if (!place_.folder) return sinks;
  note_data();
  sinks.row = [this](nlohmann::ordered_json row) {
    if (const auto left = stain_left()) row["stain_left"] = *left;
    place_.folder->add_metrics(row);
  };
  sinks.events = std::make_shared<train::EventWriter>(place_.folder->path("tensorboard"), steps_done() + 1);
  sinks.progress = live_line(trainer_->progress(), trainer_->progress().steps);
  sinks.rolled_back = [this](int64_t step) { place_.folder->truncate_metrics_after(step); };
  return sinks;
}

void Pretraining::add_pictures(const std::shared_ptr<train::EventWriter>& events) {
  draw_views(config_, *source_, loader_->order(), *place_.folder, *events);
  if (config_.pictures.every == 0) return;
  try {
    ShownTiles tiles = shown_tiles(*source_, loader_->order(), config_.views(), static_cast<uint64_t>(config_.run.seed), config_.pictures.tiles,
                                   config_.model.image_size_px);
    trainer_->add(std::make_shared<PictureHook>(config_.pictures.every, std::move(tiles), objective_, place_.device, *place_.folder, events));
  } catch (const Error& e) {
    log::warn("[pictures] none will be drawn: {}", e.what());
  }
}

/// In this order: what measures, what judges, what records, what saves.
void Pretraining::add_hooks() {
  const train::LogSinks sinks = this->sinks();
  const auto state = [this] { return trainer_->state(); };
  trainer_->add(std::make_shared<QuarantineHook>(loader_, place_.folder, *place_.comm));
  if (config_.eval.every > 0) trainer_->add(std::make_shared<train::ProbeHook>(config_.eval.every, probes(), *place_.comm));
  trainer_->add(std::make_shared<train::AlarmHook>(config_.watch, *trainer_, config_.eval.every));
  if (place_.folder) {
    add_pictures(sinks.events);
    trainer_->add(std::make_shared<IncidentHook>(*place_.folder));
    const auto position = [this] { return task_->state().part("data").values.at("position").get<uint64_t>(); };
    trainer_->add(std::make_shared<ReplayHook>(ReplayHook::Run{config_, *place_.folder, source_, loader_->order(), position, place_.env.world}));
  }
  log_ = std::make_shared<train::LogHook>(sinks, config_.train.batch_size, static_cast<int64_t>(source_->n_tiles()),
                                          [this] { return task_->data_wait_seconds(); });
  trainer_->add(log_);
  if (!config_.eval.best.empty())
    trainer_->add(std::make_shared<train::BestCheckpointHook>(place_.dir + "/best/checkpoints", config_.eval.best, *trainer_, *place_.comm));
  train::CheckpointHook::Plan plan{place_.dir + "/checkpoints", config_.train.checkpoint_every, config_.train.keep};
  trainer_->add(std::make_shared<train::CheckpointHook>(plan, state, *place_.comm));
}

}  // namespace eosin::apps
