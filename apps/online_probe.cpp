#include "apps/online_probe.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/encoder.h"
#include "core/nn/weights.h"
#include "data/sampler.h"
#include "data/tile_reader.h"
#include "eval/online_probe.h"
#include "eval/split.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace eosin::apps {
namespace {

/// 0, 1, ... for the words in alphabetical order.
std::vector<int64_t> codes(const std::vector<std::string>& words) {
  std::map<std::string, int64_t> code;
  for (const auto& word : words) code.emplace(word, 0);
  int64_t next = 0;
  for (auto& [word, number] : code) number = next++;
  std::vector<int64_t> numbers;
  for (const auto& word : words) numbers.push_back(code.at(word));
  return numbers;
}

int64_t count(const std::vector<int64_t>& numbers) { return numbers.empty() ? 0 : *std::max_element(numbers.begin(), numbers.end()) + 1; }

/// The group of every tile by the named column, else by group or patient; empty if there is none.
std::vector<std::string> group_column(const data::TileStore& store, const std::string& name) {
  EOSIN_CHECK(name.empty() || store.has_column(name), Config, "[eval.group] the store has no column '{}'; it has: {}", name,
              fmt::join(store.columns(), ", "));
  for (const std::string& column : name.empty() ? std::vector<std::string>{"group", "patient"} : std::vector{name})
    if (store.has_column(column)) return store.column(column);
  return {};
}

}  // namespace

void ProbeConfig::visit(config::Visitor& v) {
  using config::Range;
  v("every", every, "steps between two measurements of the encoder; 0 = never", Range{0, 1e12});
  v("store", store, "labelled tile store to measure on, or a list of them; empty: the training store");
  v("label", label, "its column that holds the class");
  v("group", group, "its column whose values are never on both sides; empty: group, else patient, else the slide");
  v("tiles", tiles, "tiles that are embedded", Range{2, 1e7});
  v("k", k, "neighbours that vote", Range{1, 1e6});
  v("batch_size", batch_size, "tiles embedded at once", Range{1, 1e5});
  v("linear", linear, "a linear probe beside k-NN");
  v("best", best, "measure (knn_accuracy, linear_accuracy, ...) at whose largest value the checkpoint is kept in best/; empty: none");
}

std::string ProbeConfig::prefix(const std::string& path) const {
  return store.size() > 1 ? std::filesystem::path(path).lexically_normal().filename().string() + "/" : "";
}

std::vector<std::string> ProbeConfig::measures() const {
  std::vector<std::string> all;
  for (const std::string& path : store.empty() ? std::vector<std::string>{""} : store)
    for (const std::string& name : eval::online_probe_names(linear)) all.push_back(prefix(path) + name);
  return all;
}

OnlineProbe::OnlineProbe(const ProbeConfig& config, std::shared_ptr<const data::TileStore> store, c10::Device device, int64_t threads,
                         std::function<State()> objective)
    : config_(config), store_(std::move(store)), device_(device), threads_(threads), objective_(std::move(objective)) {
  const State state = objective_();
  EOSIN_ASSERT(state.values.contains("encoder"));
  spec_ = nn::encoder_spec_from_json(state.values.at("encoder"), "method");
  encoder_ = nn::make_backbone(spec_.model);
  encoder_->to(device_);
  encoder_->eval();

  const uint64_t n = store_->n_tiles();
  const data::Permutation order(n, 0, 0);
  for (uint64_t i = 0; i < std::min<uint64_t>(n, static_cast<uint64_t>(config_.tiles)); ++i) tiles_.push_back(static_cast<int64_t>(order(i)));

  const bool labelled = store_->has_column(config_.label);
  EOSIN_CHECK(config_.store.empty() || labelled, Config, "[eval.label] {} has no column '{}'; it has: {}", fmt::join(config_.store, ", "),
              config_.label, fmt::join(store_->columns(), ", "));
  if (labelled)
    label_tiles();
  else
    log::info("[eval] no k-NN on the way: the training store has no column '{}' (eval.label); it has: {}", config_.label,
              store_->columns().empty() ? "none" : fmt::format("{}", fmt::join(store_->columns(), ", ")));
}

void OnlineProbe::label_tiles() {
  const std::vector<std::string> label = store_->column(config_.label);
  const std::vector<std::string> named = group_column(*store_, config_.group);
  std::vector<std::string> labels, groups;
  for (const int64_t t : tiles_) {
    labels.push_back(label[static_cast<size_t>(t)]);
    groups.push_back(named.empty() ? std::to_string(store_->tile(static_cast<uint64_t>(t)).slide) : named[static_cast<size_t>(t)]);
  }
  const auto classes = codes(labels), group = codes(groups);
  if (count(group) < 2 || count(classes) < 2) return;
  num_classes_ = count(classes);
  const auto side = eval::group_folds(classes, group, num_classes_, 2).fold;
  for (size_t i = 0; i < tiles_.size(); ++i) labels_[tiles_[i]] = {classes[i], side[i] == 1};
  if (const auto memory = std::count(side.begin(), side.end(), 0); config_.k > memory)
    log::warn("[eval] k-NN on the way asks {} neighbours (eval.k) and has {} tiles to ask: all of them vote", config_.k, memory);
}

void OnlineProbe::load_weights() {
  TensorMap weights;
  const State state = objective_();
  const std::string prefix = nn::backbone_prefix(state.tensors, "probe");
  for (const auto& [name, tensor] : state.tensors)
    if (name.starts_with(prefix)) weights.emplace(name.substr(prefix.size()), tensor);
  nn::load_weights(*encoder_, weights);
}

train::NamedValues OnlineProbe::measure() {
  load_weights();
  at::NoGradGuard no_grad;
  data::EvalViewConfig view;
  view.resize_px = view.crop_px = nn::image_size(spec_.model)[0];
  view.mean = spec_.mean, view.std = spec_.std;
  data::TileReader reader(store_, view, tiles_, config_.batch_size, threads_);

  eval::ProbeFeatures probe;
  std::vector<Tensor> keys, queries;
  while (const auto batch = reader.next()) {
    const Tensor features_BD = encoder_->forward(batch->images_BCHW.to(device_)).to(at::kFloat).cpu();
    for (size_t i = 0; i < batch->indices.size(); ++i) {
      const auto label = labels_.find(batch->indices[i]);
      const bool asks = label != labels_.end() && label->second.asks;
      (asks ? queries : keys).push_back(features_BD[static_cast<int64_t>(i)]);
      if (label != labels_.end()) (asks ? probe.query_labels : probe.key_labels).push_back(label->second.value);
    }
  }
  EOSIN_CHECK(keys.size() >= 2 && (labels_.empty() || !queries.empty()), Data, "[eval] too few of the probe's {} tiles can be read", tiles_.size());
  probe.keys_ND = at::stack(keys);
  if (!queries.empty()) probe.queries_MD = at::stack(queries);
  probe.num_classes = num_classes_;
  return eval::online_probe(probe, config_.k, config_.linear);
}

}  // namespace eosin::apps
