#pragma once
#include "apps/online_probe.h"
#include "apps/pictures.h"
#include "core/base/run_config.h"
#include "core/nn/backbones.h"
#include "data/labelled_source.h"
#include "data/loader.h"
#include "data/slide_places.h"
#include "data/view_presets.h"
#include "optim/optimizers.h"
#include "ssl/methods.h"
#include "train/alarms.h"
#include "train/config.h"

namespace eosin::apps {

/// The `data` block of a pretraining run: tiles of stores, or of slides directly.
struct PretrainData {
  std::vector<std::string> store;
  data::SlideSourceConfig online;
  config::Choice crops{data::view_presets(), "dino"};
  data::LabelConfig labels;
  data::LoaderConfig loader;
  std::string augment = "cpu";
  void visit(config::Visitor& v) {
    v("store", store,
      "tile store (a folder with store.json, a folder of shards, or one shard), or a list of them: order quota by store weights them");
    online.visit(v);
    v("crops", crops, "the views of a tile: a preset, any key of which may be changed");
    v("labels", labels, "classes of the tiles, for methods that learn from them");
    loader.visit(v);
    v("augment", augment, "where views are rendered: cpu; gpu: tiles and drawn parameters cross the bus; auto: gpu with fewer than 6 cores a GPU",
      config::OneOf{{"cpu", "gpu", "auto"}});
  }
  void validate(config::Problems& p) const;
  bool from_slides() const { return !online.slides.empty(); }
};

/// Everything that `eosin pretrain` reads.
struct PretrainConfig {
  PretrainData data;
  nn::BackboneConfig model;
  config::Choice method{ssl::method_table(), "dino"};
  config::Choice optim{optim::optimizer_table(), "adamw"};
  config::Choice schedule{optim::schedule_table(), "warmup_cosine"};
  train::TrainConfig train;
  ProbeConfig eval;
  train::WatchConfig watch;
  PictureConfig pictures;
  RunConfig run;

  void visit(config::Visitor& v);
  /// Rules across blocks: crops against the patch, phases against the length of the run.
  void validate(config::Problems& p) const;

  /// data.crops, sized.
  data::MultiCropConfig views() const;
  optim::Schedule lr_schedule() const;
  optim::Schedule weight_decay_schedule() const;
};

/// Views with their sizes: those that are left open follow the model, global crops have its image size, local ones 96/224 of it, rounded up to
/// whole patches.
data::MultiCropConfig sized_views(data::MultiCropConfig crops, const nn::BackboneConfig& model);

/// Reads and checks. Errors: Config, before any data is opened.
PretrainConfig read_pretrain_config(const config::Source& source);

}  // namespace eosin::apps
