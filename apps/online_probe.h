#pragma once
// What a pretraining run measures of its own encoder while it trains: k-NN on labelled tiles, and signs of collapse.
#include "core/base/config.h"
#include "core/nn/backbone.h"
#include "core/nn/encoder_spec.h"
#include "core/tensor/state.h"
#include "data/tile_store.h"
#include "train/hook.h"

#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace eosin::apps {

/// The `eval` block of a pretraining run.
struct ProbeConfig {
  int64_t every = 0;
  std::vector<std::string> store;
  std::string label = "class", group;
  int64_t tiles = 1000, k = 20, batch_size = 64;
  bool linear = true;
  std::string best;
  void visit(config::Visitor& v);

  /// What a store is called among the measures: "" if there is one alone, else "lung/" for /data/lung.
  std::string prefix(const std::string& path) const;
  /// The names of all measures, as metrics.jsonl has them.
  std::vector<std::string> measures() const;
};

/// Embeds a fixed set of tiles with the current teacher. Half of the groups (patients) are the memory, the others ask it; without
/// labels only the signs of collapse are measured.
///
/// Errors   Config if a label column is missing from the store that eval.store names; Data if too many tiles cannot be read.
/// Checked  tests/apps/test_online_probe.cpp.
class OnlineProbe {
 public:
  /// `objective` gives the state of what is trained: tensors "teacher.backbone.*", value "encoder".
  OnlineProbe(const ProbeConfig& config, std::shared_ptr<const data::TileStore> store, c10::Device device, int64_t threads,
              std::function<State()> objective);

  train::NamedValues measure();

 private:
  struct Label {
    int64_t value;
    bool asks;  // else part of the memory
  };
  void label_tiles();
  void load_weights();

  ProbeConfig config_;
  std::shared_ptr<const data::TileStore> store_;
  c10::Device device_;
  int64_t threads_;
  std::function<State()> objective_;
  nn::EncoderSpec spec_;
  std::shared_ptr<nn::Backbone> encoder_;
  std::vector<int64_t> tiles_;       // of the store
  std::map<int64_t, Label> labels_;  // by tile; empty: health only
  int64_t num_classes_ = 0;
};

}  // namespace eosin::apps
