#include "apps/pretrain_config.h"

#include "core/base/error.h"
#include "data/view_record.h"

#include <algorithm>

namespace eosin::apps {

void PretrainData::validate(config::Problems& p) const {
  if (from_slides() && !labels.column.empty())
    p.add("labels.column", "labels are the columns of a tile store, and tiles come from slides; make a store (eosin tile, eosin import)");
  if (from_slides() && !store.empty())
    p.add("slides", "tiles come from a store or from slides, not from both; leave one of data.store and data.slides out");
}

void PretrainConfig::visit(config::Visitor& v) {
  v("data", data, "what is trained on");
  v("model", model, "the encoder");
  v("method", method, "the self-supervised method");
  v("optim", optim, "the update rule");
  v("schedule", schedule, "the learning rate's course");
  v("train", train, "length, batch, precision, checkpoints");
  v("eval", eval, "the online probe");
  v("watch", watch, "alarms on what is measured");
  v("pictures", pictures, "what the report and TensorBoard show of tiles");
  v("run", run, "where and how");
}

void PretrainConfig::validate(config::Problems& p) const {
  const data::MultiCropConfig crops = views();
  ssl::RunShape shape = ssl::shape_of(model);
  shape.steps = train.total_steps(), shape.batch = train.batch_size / train.accumulate;
  shape.labels = data.labels.column, shape.view_changes = data::changes_of(crops);
  shape.crop_sizes.assign(static_cast<size_t>(crops.n_global), crops.global_size());
  shape.crop_sizes.insert(shape.crop_sizes.end(), static_cast<size_t>(crops.n_local), crops.local_size());
  shape.undistorted_px = crops.undistorted_size_px;
  ssl::check_run(method, shape, p);
  try {
    lr_schedule();
  } catch (const Error& e) {
    p.add("schedule", e.what());
  }
  if (data.from_slides() && eval.every > 0 && eval.store.empty())
    p.add("eval.store", "need a tile store to measure on: data.slides has none (or eval.every=0)");
  if (!eval.best.empty() && eval.every == 0) p.add("eval.best", "nothing is measured: eval.every is 0");
  if (const auto names = eval.measures(); !eval.best.empty() && std::find(names.begin(), names.end(), eval.best) == names.end()) {
    const auto near = config::nearest(eval.best, names);
    p.add("eval.best", fmt::format("'{}' is not measured{}; there are: {}", eval.best, near ? fmt::format("; did you mean '{}'?", *near) : "",
                                   fmt::join(names, ", ")));
  }
  if (data.augment == "gpu") {
    if (run.device == "cpu") p.add("data.augment", "gpu needs a CUDA device, but run.device is cpu; choose cpu or auto");
    for (const data::DeviceLack& lack : data::device_lacks(crops)) p.add("data.crops." + lack.key, lack.why + "; choose data.augment=cpu");
  }
  if (train.freeze_last_layer_steps > train.total_steps())
    p.add("train.freeze_last_layer_steps", fmt::format("{} is longer than the run of {} steps", train.freeze_last_layer_steps, train.total_steps()));
}

data::MultiCropConfig PretrainConfig::views() const { return sized_views(data.crops.as<data::MultiCropConfig>(), model); }

data::MultiCropConfig sized_views(data::MultiCropConfig crops, const nn::BackboneConfig& model) {
  if (!crops.global_size_px) crops.global_size_px = model.image_size_px;
  const int64_t local = std::max(model.image_size_px * 96 / 224, nn::least_size(model)), patch = nn::size_multiple(model);
  if (!crops.local_size_px) crops.local_size_px = (local + patch - 1) / patch * patch;
  return crops;
}

optim::Schedule PretrainConfig::lr_schedule() const { return optim::make_schedule(schedule, optim::rates_of(optim).lr, train.total_steps()); }

optim::Schedule PretrainConfig::weight_decay_schedule() const { return optim::weight_decay_schedule(optim::rates_of(optim), train.total_steps()); }

PretrainConfig read_pretrain_config(const config::Source& source) {
  PretrainConfig config;
  config::read(source, config, "pretrain");
  const auto& stores = config.data.store;
  const bool none = std::all_of(stores.begin(), stores.end(), [](const std::string& s) { return s.empty(); });
  EOSIN_CHECK(!none || config.data.from_slides(), Config,
              "[data.store] no tile store is given; write data.store=PATH (eosin tile makes one), or data.slides=PATH to train from slides");
  return config;
}

}  // namespace eosin::apps
