#include "eval/curves.h"

#include "eval/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;
using html::Row;
using svg::number;

constexpr size_t kMostPoints = 300;  // of a curve; longer ones are averaged in equal stretches

/// Key without the block and the store that it is of: "eval.crc/knn_accuracy" is knn_accuracy.
std::string leaf_of(const std::string& key) { return key.substr(key.find_last_of("./") + 1); }

/// What belongs under one heading: leaves by name, or all keys of a block. Those that share a plot share its axis.
struct Topic {
  const char* heading;
  std::vector<std::string> leaves, blocks;
  std::vector<std::vector<std::string>> together;  // leaves, or a block
};

const std::vector<Topic>& topics() {
  static const std::vector<Topic> rows = {
      {"Loss", {"loss"}, {}, {}},
      {"Probes on labelled tiles",
       {"knn_accuracy", "linear_accuracy", "knn_balanced_accuracy", "linear_balanced_accuracy"},
       {},
       {{"knn_accuracy", "linear_accuracy"}, {"knn_balanced_accuracy", "linear_balanced_accuracy"}}},
      {"Is it collapsing?",
       {"rankme", "effective_rank", "stable_rank", "mean_cosine", "collapsed_dims", "nearest_distance", "teacher_entropy", "kl_to_uniform",
        "prototype_usage", "embedding_spread"},
       {},
       {{"rankme", "effective_rank", "stable_rank"}}},
      {"Gradients", {"grad_norm", "skipped"}, {"grad_norms"}, {{"grad_norms"}}},
      {"Throughput", {"images_per_second", "data_wait_fraction"}, {}, {}},
      {"Parts of the loss", {}, {"parts"}, {}},
      {"Probes, other", {}, {"eval"}, {}},
      {"Schedules and counts", {}, {""}, {}},  // all that is left
  };
  return rows;
}

/// How to read a curve.
std::string meaning_of(const std::string& leaf) {
  static const std::map<std::string, std::string> meanings = {
      {"rankme", "directions in use, of the feature's width; 1: collapsed"},
      {"effective_rank", "the same of centred features"},
      {"mean_cosine", "between pairs of tiles; 1: all features point one way"},
      {"collapsed_dims", "share of coordinates that do not vary"},
      {"nearest_distance", "mean distance to the nearest other tile on the unit sphere; 0: copies of one point"},
      {"teacher_entropy", "of a target, in nats; 0: one-hot, log K: uniform, for ever is collapse"},
      {"kl_to_uniform", "of the mean target, in nats; 0: prototypes share evenly, log K: one takes all"},
      {"prototype_usage", "distinct first choices; small: few prototypes take all"},
      {"embedding_spread", "1: all round the sphere, 0: one point"},
      {"data_wait_fraction", "share of the time without a batch; above 0.1 the loader is the slower side"},
      {"skipped", "steps whose loss or gradient was not finite, since the start"},
      {"grad_norm", "before clipping"},
      {"grad_norms", "of each module, before clipping"},
  };
  const auto found = meanings.find(leaf);
  return found == meanings.end() ? "" : found->second;
}

svg::Series thinned(const svg::Series& s) {
  if (s.x.size() <= kMostPoints) return s;
  svg::Series t{s.name, {}, {}};
  for (size_t k = 0; k < kMostPoints; ++k) {
    const size_t begin = k * s.x.size() / kMostPoints, end = (k + 1) * s.x.size() / kMostPoints;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += s.x[i], y += s.y[i];
    t.x.push_back(x / static_cast<double>(end - begin)), t.y.push_back(y / static_cast<double>(end - begin));
  }
  return t;
}

/// One plot of series that share an axis.
std::string curve_figure(const std::string& title, const std::vector<svg::Series>& all) {
  svg::LineChart chart{title, title + " against the step", "step", title, {}, {}, true, false};
  std::string caption;
  std::vector<Row> rows;
  for (const svg::Series& full : all) {
    svg::Series s = thinned(full);
    for (size_t i = 0; i < s.x.size(); ++i) rows.push_back({s.name, number(s.x[i]), number(s.y[i])});
    caption += fmt::format("{}{}: first {}, last {}", caption.empty() ? "" : "; ", s.name, number(full.y.front()), number(full.y.back()));
    if (s.x.size() < full.x.size()) caption += fmt::format(" (means of {} logged values)", full.x.size());
    chart.series.push_back(std::move(s));
  }
  const std::string meaning = meaning_of(leaf_of(title));
  return html::figure(svg::line_chart(chart), meaning.empty() ? caption : caption + " – " + meaning, {"series", "step", "value"}, rows);
}

bool in_block(const std::string& key, const std::string& block) { return block.empty() || key.starts_with(block + "."); }

bool belongs(const Topic& topic, const std::string& key) {
  return std::find(topic.leaves.begin(), topic.leaves.end(), leaf_of(key)) != topic.leaves.end() ||
         std::any_of(topic.blocks.begin(), topic.blocks.end(), [&](const std::string& block) { return in_block(key, block); });
}

/// Takes out of `left` the series that share a plot with the first, which included.
std::vector<svg::Series> take_plot(const Topic& topic, std::vector<svg::Series>& left) {
  const auto of = [](const std::vector<std::string>& names, const std::string& key) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name == leaf_of(key) || key.starts_with(name + "."); });
  };
  const std::string first = left.front().name, before_leaf = first.substr(0, first.size() - leaf_of(first).size());
  const auto shared = std::find_if(topic.together.begin(), topic.together.end(), [&](const auto& names) { return of(names, first); });
  std::vector<svg::Series> plot, rest;
  for (svg::Series& s : left) {
    const bool same_place = s.name.starts_with(before_leaf) && leaf_of(s.name).size() + before_leaf.size() == s.name.size();
    const bool joins = s.name == first || (shared != topic.together.end() && same_place && of(*shared, s.name));
    (joins ? plot : rest).push_back(std::move(s));
  }
  left = std::move(rest);
  return plot;
}

std::string topic_section(const Topic& topic, std::vector<svg::Series> series) {
  if (series.empty()) return {};
  std::vector<std::string> figures;
  while (!series.empty()) {
    const std::vector<svg::Series> plot = take_plot(topic, series);
    const std::string& key = plot.front().name;
    const std::string block = key.substr(0, std::min(key.find('.'), key.size()));
    const std::string title = plot.size() == 1 ? key : block == "grad_norms" ? block : leaf_of(key) + " and others";
    figures.push_back(curve_figure(title, plot));
  }
  return html::section(topic.heading, html::grid(figures));
}

}  // namespace

std::vector<svg::Series> series_of(const std::vector<Json>& rows) {
  static const std::set<std::string> kNotPlotted = {"step", "epoch", "samples", "time"};
  std::vector<svg::Series> all;
  std::map<std::string, size_t> position;
  const std::function<void(const Json&, const std::string&, double)> visit = [&](const Json& v, const std::string& prefix, double step) {
    for (const auto& [key, x] : v.items()) {
      const std::string name = prefix.empty() ? key : prefix + "." + key;
      if (x.is_object()) visit(x, name, step);
      if (!x.is_number() || kNotPlotted.count(name) != 0) continue;
      const auto [it, fresh] = position.emplace(name, all.size());
      if (fresh) all.push_back({name, {}, {}});
      all[it->second].x.push_back(step);
      all[it->second].y.push_back(x.get<double>());
    }
  };
  for (const Json& row : rows) visit(row, "", row.at("step").get<double>());
  return all;
}

std::string curve_sections(const RunRecord& run) {
  std::vector<svg::Series> left = series_of(run.metrics);
  std::string sections;
  for (const Topic& topic : topics()) {
    const auto rest = std::stable_partition(left.begin(), left.end(), [&](const svg::Series& s) { return belongs(topic, s.name); });
    sections += topic_section(topic, {std::make_move_iterator(left.begin()), std::make_move_iterator(rest)});
    left.erase(left.begin(), rest);
  }
  return sections;
}

}  // namespace eosin::eval
