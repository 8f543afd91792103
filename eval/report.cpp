#include "eval/report.h"

#include "core/base/atomic_file.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/version.h"
#include "eval/curves.h"
#include "eval/html.h"
#include "eval/matrix.h"
#include "eval/svg.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;
using html::Row;
using svg::number;

constexpr size_t kMostRows = 200;  // of a table of slides or failures

// ----------------------------------------------------------------------------------------------- JSON as text
std::string text_of(const Json& v) {
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number_float()) return number(v.get<double>());
  return v.is_null() ? "–" : v.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& at(const Json& v, const std::string& key) {
  static const Json nothing;
  const auto it = v.is_object() ? v.find(key) : v.end();
  return it == v.end() ? nothing : *it;
}

std::optional<double> real(const Json& v, const std::string& key) {
  const Json& x = at(v, key);
  return x.is_number() ? std::optional(x.get<double>()) : std::nullopt;
}

std::string text(const Json& v, const std::string& key, const std::string& absent = "") {
  const Json& x = at(v, key);
  return x.is_null() ? absent : text_of(x);
}

/// Leaves of nested objects as (dotted key, text).
void flatten(const Json& v, const std::string& prefix, std::vector<Row>& rows) {
  for (const auto& [key, x] : v.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (x.is_object())
      flatten(x, name, rows);
    else
      rows.push_back({name, text_of(x)});
  }
}

std::string key_value_table(const Json& v) {
  std::vector<Row> rows;
  flatten(v, "", rows);
  return html::table({"key", "value"}, rows);
}

/// A table of objects: the union of their scalar keys.
std::string table_of(const std::vector<Json>& objects) {
  Row head;
  for (const Json& o : objects)
    for (const auto& [key, x] : o.items())
      if (!x.is_structured() && std::find(head.begin(), head.end(), key) == head.end()) head.push_back(key);
  std::vector<Row> rows;
  for (size_t i = 0; i < std::min(objects.size(), kMostRows); ++i) {
    Row row;
    for (const auto& key : head) row.push_back(text(objects[i], key));
    rows.push_back(std::move(row));
  }
  std::string s = html::table(head, rows);
  if (objects.size() > kMostRows) s += html::paragraph("note", fmt::format("{} of {} rows are shown.", kMostRows, objects.size()));
  return s;
}

// ----------------------------------------------------------------------------------------------- results of eval
std::string interval_text(const Json& m) {
  const auto low = real(m, "ci_low"), high = real(m, "ci_high");
  return low && high ? fmt::format("{} – {}", number(*low), number(*high)) : "–";
}

std::vector<Json> metrics_of(const RunRecord& run) {
  const Json& m = at(run.results, "metrics");
  return m.is_array() ? m.get<std::vector<Json>>() : std::vector<Json>{};
}

/// What the interval is of: the value over the pooled predictions of all folds.
const Json& estimate(const Json& metric) {
  const Json& pooled = at(at(metric, "pooled"), "value");
  return pooled.is_number() ? pooled : at(metric, "mean");
}

/// "0.81 +- 0.02 over 5 folds"; empty for a single one.
std::string over_folds(const Json& metric) {
  const size_t folds = at(metric, "folds").size();
  return folds < 2 ? "" : fmt::format("{} \u00b1 {} over {} folds", text(metric, "mean"), text(metric, "sd"), folds);
}

/// Samples of all folds.
int64_t rows_of(const Json& metric) {
  int64_t n = 0;
  for (const Json& fold : at(metric, "folds"))
    if (at(fold, "n").is_number()) n += at(fold, "n").get<int64_t>();
  return n;
}

/// What the audit found that does not forbid the split but weakens what is said of it.
std::vector<std::string> audit_warnings(const RunRecord& run) {
  std::vector<std::string> found;
  for (const Json& row : at(at(run.results, "protocol"), "audit"))
    if (text(row, "state") == "warning") found.push_back(text(row, "message"));
  return found;
}

std::string verdict(const RunRecord& run) {
  const auto all = metrics_of(run);
  if (all.empty()) return {};
  const Json& protocol = at(run.results, "protocol");
  const auto wanted = std::find_if(all.begin(), all.end(), [](const Json& m) { return text(m, "name") == "balanced_accuracy"; });
  const Json& m = wanted == all.end() ? all.front() : *wanted;
  const size_t warnings = audit_warnings(run).size();
  const std::string kind = text(protocol, "kind", "?") + (warnings == 0 ? "" : fmt::format(", with {} warnings of the audit", warnings));
  return html::paragraph("verdict",
                         fmt::format("{}: {} {} (95 % interval {}), resampled by {}; n = {}; protocol {}.", text(protocol, "name", "evaluation"),
                                     text(m, "name"), text_of(estimate(m)), interval_text(m), text(m, "unit"), rows_of(m), kind));
}

std::string violations(const RunRecord& run) {
  std::string s;
  for (const Json& v : at(at(run.results, "protocol"), "violations")) s += html::paragraph("alarm", text_of(v));
  for (const std::string& w : audit_warnings(run)) s += html::paragraph("alarm", w);
  return s;
}

/// Every fold by every metric, the least and the largest below.
std::string folds_table(const std::vector<Json>& metrics) {
  Row head{"fold", "n"};
  for (const Json& m : metrics) head.push_back(text(m, "name"));
  const Json& first = at(metrics.front(), "folds");
  if (first.size() < 2) return {};
  std::vector<Row> rows;
  for (const Json& f : first) rows.push_back({text(f, "name", text(f, "fold")), text(f, "n")});
  Row least{"least", ""}, most{"most", ""};
  for (const Json& m : metrics) {
    double low = INFINITY, high = -INFINITY;
    const Json& folds = at(m, "folds");
    for (size_t i = 0; i < rows.size() && i < folds.size(); ++i) {
      rows[i].push_back(text(folds[i], "value", "–"));
      if (const auto v = real(folds[i], "value")) low = std::min(low, *v), high = std::max(high, *v);
    }
    least.push_back(number(low)), most.push_back(number(high));
  }
  rows.push_back(std::move(least)), rows.push_back(std::move(most));
  return html::details("each fold", html::table(head, rows));
}

std::string metrics_section(const RunRecord& run) {
  const auto all = metrics_of(run);
  if (all.empty()) return {};
  std::vector<Row> rows;
  std::vector<svg::IntervalRow> intervals;
  for (const Json& m : all) {
    const Json& pooled = at(m, "pooled");
    rows.push_back({text(m, "name"), text_of(estimate(m)), interval_text(m), over_folds(m), text(m, "direction"), fmt::format("{}", rows_of(m)),
                    text(m, "unit"), text(pooled, "ci"), text(pooled, "undefined", "0")});
    const Json& value = estimate(m);
    const auto low = real(m, "ci_low"), high = real(m, "ci_high");
    if (value.is_number() && low && high && *low >= -1 && *high <= 1) intervals.push_back({text(m, "name"), value.get<double>(), *low, *high});
  }
  std::vector<Row> numbers;
  for (const auto& r : intervals) numbers.push_back({r.name, number(r.value), number(r.low), number(r.high)});
  std::string s = html::table({"metric", "value", "95 % interval", "mean of folds", "better", "n", "unit", "interval by", "undefined"}, rows);
  if (!intervals.empty())
    s += html::grid({html::figure(svg::interval_chart("Metrics with their intervals", intervals), "Values and 95 % intervals",
                                  {"metric", "value", "low", "high"}, numbers)},
                    true);
  return html::section("Metrics", s + folds_table(all));
}

/// "0.83 (0.76 – 0.89)": mean over folds, and the interval of the pooled predictions.
std::string with_interval(const Json& metric) {
  return real(metric, "mean") ? fmt::format("{} ({})", text(metric, "mean"), interval_text(metric)) : "–";
}

/// What a test beside the first model says.
std::string comparison_text(const Json& results, const std::string& model) {
  for (const Json& c : at(results, "comparisons")) {
    if (text(c, "b") != model) continue;
    const auto p = real(c, "p_adjusted");
    if (!p) return "–";
    return fmt::format("{} {} (p {}{})", *p < 0.05 ? "differs by" : "not told apart,", text(c, "difference"), number(*p),
                       at(c, "tests").is_number() ? ", Holm" : "");
  }
  return "";
}

/// Heads and baselines of a mil run, best first, each under the honest protocol and under that of a paper.
std::string models_section(const RunRecord& run) {
  const Json& all = at(run.results, "models");
  if (!all.is_array() || all.empty()) return {};
  const std::string first = text(all[0], "name");
  Row head{"model", "", "protocol", "folds"};
  std::vector<std::pair<double, Row>> rows;
  for (const auto& [name, m] : at(all[0], "metrics").items()) head.push_back(name);
  head.push_back("beside " + first);
  for (const Json& model : all) {
    Row row{text(model, "name"), text(model, "kind"), text(model, "protocol"), text(model, "folds")};
    for (const auto& [name, m] : at(model, "metrics").items()) row.push_back(with_interval(m));
    row.push_back(text(model, "protocol") == "honest" ? comparison_text(run.results, row[0]) : "");
    const Json& metrics = at(model, "metrics");
    rows.emplace_back(metrics.empty() ? 0 : real(*metrics.begin(), "mean").value_or(-INFINITY), std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Row> sorted;
  for (auto& [value, row] : rows) sorted.push_back(std::move(row));
  std::string s = html::table(head, sorted) +
                  html::paragraph("note",
                                  "Mean over folds, and in brackets the 95 % interval of the pooled predictions. The last column: corrected "
                                  "resampled t over folds of the first metric (Nadeau and Bengio 2003).");
  const Json& paper = at(at(run.results, "protocol"), "paper");
  for (const Json& difference : at(paper, "differences"))
    s += html::paragraph("note", fmt::format("{}: {}.", text(paper, "name"), text_of(difference)));
  return html::section("Models side by side", s);
}

std::vector<double> reals_of(const Json& v) {
  std::vector<double> r;
  for (const Json& x : v) r.push_back(x.is_number() ? x.get<double>() : NAN);
  return r;
}

std::string class_name(const Json& v, const std::vector<std::string>& classes) {
  const Json& c = at(v, "class");
  return c.is_number_unsigned() && c.get<size_t>() < classes.size() ? classes[c.get<size_t>()] : text_of(c);
}

/// A series, and its points as rows of the table below the plot.
void add_series(svg::LineChart& chart, std::vector<Row>& rows, svg::Series s) {
  for (size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i) rows.push_back({s.name, number(s.x[i]), number(s.y[i])});
  s.y.resize(s.x.size(), NAN);
  chart.series.push_back(std::move(s));
}

/// All curves of a kind, a series a class.
std::string curve_figure(const Json& curves, const std::string& kind, const std::vector<std::string>& classes, svg::LineChart chart,
                         const std::string& caption) {
  std::vector<Row> rows;
  for (const Json& c : curves)
    if (text(c, "kind") == kind) add_series(chart, rows, {class_name(c, classes), reals_of(at(c, "x")), reals_of(at(c, "y"))});
  return rows.empty() ? "" : html::figure(svg::line_chart(chart), caption, {"class", chart.x_label, chart.y_label}, rows);
}

std::string roc_figure(const Json& curves, const std::vector<std::string>& classes) {
  return curve_figure(curves, "roc", classes,
                      {"ROC curves",
                       "True against false positive rate, each class against the rest",
                       "false positive rate",
                       "true positive rate",
                       {},
                       {},
                       false,
                       true},
                      "ROC, each class against the rest; dashed: chance");
}

std::string pr_figure(const Json& curves, const std::vector<std::string>& classes) {
  return curve_figure(
      curves, "pr", classes,
      {"Precision and recall", "Precision against recall, each class against the rest", "recall", "precision", {}, std::pair(0.0, 1.0)},
      "Precision against recall, each class against the rest");
}

std::string reliability_figure(const Json& bins) {
  svg::LineChart chart{"Reliability", "Share of right predictions against confidence", "confidence", "accuracy", {}, {}, false, true};
  std::vector<Row> rows;
  add_series(chart, rows, {"predictions", reals_of(at(bins, "confidence")), reals_of(at(bins, "accuracy"))});
  if (rows.empty()) return {};
  const auto fraction = reals_of(at(bins, "fraction"));
  for (size_t i = 0; i < rows.size(); ++i) rows[i][0] = i < fraction.size() ? number(fraction[i]) : "–";
  return html::figure(svg::line_chart(chart),
                      "How often a prediction is right, by its confidence, in tenths; dashed: calibrated. ECE " + text(bins, "ece_10"),
                      {"share of predictions", "confidence", "accuracy"}, rows);
}

/// A step function through its corners.
svg::Series steps_of(const Json& group) {
  const auto time = reals_of(at(group, "time")), survival = reals_of(at(group, "survival"));
  svg::Series s{fmt::format("{} (n = {})", text(group, "name"), text(group, "n")), {}, {}};
  for (size_t i = 0; i < std::min(time.size(), survival.size()); ++i) {
    if (i > 0) s.x.push_back(time[i]), s.y.push_back(survival[i - 1]);
    s.x.push_back(time[i]), s.y.push_back(survival[i]);
  }
  return s;
}

std::string survival_figure(const Json& survival) {
  svg::LineChart chart{"Kaplan-Meier", "Share without event over time, high and low risk", "time", "without event", {}, std::pair(0.0, 1.0)};
  std::vector<Row> rows;
  for (const Json& group : at(survival, "groups")) {
    chart.series.push_back(steps_of(group));
    const auto time = reals_of(at(group, "time")), share = reals_of(at(group, "survival")), low = reals_of(at(group, "low")),
               high = reals_of(at(group, "high")), at_risk = reals_of(at(group, "at_risk"));
    for (size_t i = 0; i < std::min({time.size(), share.size(), low.size(), high.size(), at_risk.size()}); ++i)
      rows.push_back({text(group, "name"), number(time[i]), number(at_risk[i]), number(share[i]), number(low[i]), number(high[i])});
  }
  if (rows.empty()) return {};
  return html::figure(
      svg::line_chart(chart),
      "Kaplan-Meier of risks above and below the median of each fold's validation part; log-rank p " + text(at(survival, "logrank"), "p", "–"),
      {"group", "time", "at risk", "without event", "low", "high"}, rows);
}

std::string confusion_figure(const Json& table, const std::vector<std::string>& classes) {
  if (!table.is_array() || table.empty() || table.size() != classes.size()) return {};
  Matrix m(static_cast<int64_t>(classes.size()), static_cast<int64_t>(classes.size()));
  std::vector<Row> rows;
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table[i].is_array() || table[i].size() != classes.size()) return {};
    rows.push_back({classes[i]});
    for (size_t j = 0; j < classes.size(); ++j) {
      m(static_cast<int64_t>(i), static_cast<int64_t>(j)) = table[i][j].is_number() ? table[i][j].get<double>() : 0;
      rows.back().push_back(text_of(table[i][j]));
    }
  }
  Row head{"true \\ predicted"};
  head.insert(head.end(), classes.begin(), classes.end());
  return html::figure(svg::confusion_matrix(classes, m), "Counts, and the share of each true class", head, rows);
}

/// How well the tiles' scores find regions that are known.
/// Every target's measures, and points of some.
std::string targets_section(const RunRecord& run) {
  const Json& targets = at(run.results, "targets");
  if (!targets.is_array() || targets.empty()) return {};
  std::vector<std::string> figures;
  for (const Json& f : at(run.results, "scatter")) {
    svg::LineChart chart{text(f, "target"), "Estimate against number", "number", "estimate", {}, {}, true};
    chart.points = true;
    std::vector<Row> rows;
    add_series(chart, rows, {text(f, "target"), reals_of(at(f, "x")), reals_of(at(f, "y"))});
    figures.push_back(html::figure(svg::line_chart(chart),
                                   fmt::format("{}: {} of {} rows; dashed: equal", text(f, "target"), rows.size(), text(f, "rows")),
                                   {"target", "number", "estimate"}, rows));
  }
  return html::section("Targets", table_of(targets.get<std::vector<Json>>()) + html::grid(figures));
}

/// Each metric plain and under every condition.
std::string conditions_section(const RunRecord& run) {
  const Json& all = at(run.results, "conditions");
  if (!all.is_array() || all.empty()) return {};
  std::vector<Row> summary, each;
  for (const Json& m : all) {
    const std::string name = text(m, "metric");
    if (at(m, "plain").is_null()) {
      summary.push_back({name, text(m, "state"), "–", "–", "–", "–"});
      continue;
    }
    summary.push_back({name, text(m, "plain"), text(m, "min"), text(m, "max"), text(m, "amplitude"),
                       fmt::format("{} – {}", text(m, "amplitude_low"), text(m, "amplitude_high"))});
    for (const Json& c : at(m, "conditions")) each.push_back({name, text(c, "name"), text(c, "value"), text(c, "difference"), interval_text(c)});
  }
  return html::section("Under other conditions", html::table({"metric", "plain", "least", "most", "amplitude", "95 % interval"}, summary) +
                                                     html::table({"metric", "condition", "value", "less the plain one", "95 % interval"}, each));
}

std::string localization_section(const RunRecord& run) {
  const Json &all = at(run.results, "localization"), &slides = at(all, "by_slide");
  if (!slides.is_array() || slides.empty()) return {};
  return html::section(
      "Known regions",
      html::paragraph("note",
                      fmt::format("Average precision of the tiles' scores: {} over {} slides, chance {}; AUROC {}. A tile is "
                                  "inside from {} of its area.",
                                  text(all, "average_precision"), slides.size(), text(all, "chance"), text(all, "auroc"), text(all, "min_inside"))) +
          html::details("each slide", table_of(slides.get<std::vector<Json>>())));
}

std::string top_tiles_section(const RunRecord& run) {
  const Json& tiles = at(run.results, "top_tiles");
  if (!tiles.is_array() || tiles.empty()) return {};
  return html::section("Highest tiles", html::details("of the surest bags of every class (top_tiles.csv)", table_of(tiles.get<std::vector<Json>>())));
}

std::string results_sections(const RunRecord& run) {
  if (run.results.is_null()) return {};
  std::vector<std::string> classes;
  for (const Json& c : at(at(run.results, "data"), "labels")) classes.push_back(text_of(c));
  std::vector<std::string> figures;
  const Json& curves = at(run.results, "curves");
  for (std::string f : {confusion_figure(at(run.results, "confusion"), classes), roc_figure(curves, classes), pr_figure(curves, classes),
                        reliability_figure(at(run.results, "reliability")), survival_figure(at(run.results, "survival"))})
    if (!f.empty()) figures.push_back(std::move(f));
  std::string s = models_section(run) + metrics_section(run);
  if (!figures.empty()) s += html::section("Where it is right and wrong", html::grid(figures, true));
  s += conditions_section(run) + targets_section(run) + localization_section(run) + top_tiles_section(run);
  for (const Json& note : at(run.results, "notes")) s += html::paragraph("note", text_of(note));
  const Json& worst = at(run.results, "worst_errors");
  if (worst.is_array() && !worst.empty())
    s += html::section("Worst errors", html::paragraph("note", "The most confident wrong predictions.") + table_of(worst.get<std::vector<Json>>()));
  Json protocol = at(run.results, "protocol");
  if (const Json& audit = at(protocol, "audit"); audit.is_array() && !audit.empty())
    s += html::section("Audit of the split", table_of(audit.get<std::vector<Json>>()));
  if (protocol.is_object()) protocol.erase("audit");
  s += html::section("Data and protocol", key_value_table(Json{{"data", at(run.results, "data")}, {"protocol", protocol}}));
  return s;
}

// ----------------------------------------------------------------------------------------------- a run
std::vector<html::Card> cards_of(const RunRecord& run) {
  std::vector<html::Card> cards;
  for (const Json& m : metrics_of(run)) {
    if (cards.size() == 4) break;
    cards.push_back({text(m, "name"), text_of(estimate(m)), interval_text(m)});
  }
  if (!run.metrics.empty()) {
    cards.push_back({"steps", text(run.metrics.back(), "step"), ""});
    for (const auto& s : series_of(run.metrics)) {
      const std::string leaf = s.name.substr(s.name.rfind('.') + 1), measure = leaf.substr(leaf.rfind('/') + 1);
      if (s.name == "loss" || measure == "knn_accuracy" || measure == "linear_accuracy" || measure == "rankme" || leaf == "images_per_second")
        cards.push_back({leaf, number(s.y.back()), "first " + number(s.y.front())});
    }
  }
  if (!run.slides.empty()) {
    double tiles = 0;
    for (const Json& s : run.slides) tiles += real(s, "tiles").value_or(0);
    cards.push_back({"slides", fmt::format("{}", run.slides.size()), ""});
    cards.push_back({"tiles", number(tiles), ""});
  }
  if (!run.failures.empty()) cards.push_back({"failures", fmt::format("{}", run.failures.size()), "listed below"});
  return cards;
}

std::string pictures_section(const RunRecord& run) {
  if (run.pictures.empty()) return {};
  std::vector<std::string> figures;
  for (const Picture& p : run.pictures) figures.push_back(html::picture(p.mime, p.bytes, p.caption));
  std::string s = html::grid(figures, true);
  if (run.pictures_left_out > 0) s += html::paragraph("note", fmt::format("{} more pictures lie in the run folder.", run.pictures_left_out));
  return html::section("Pictures", s);
}

std::string failures_section(const RunRecord& run) {
  if (run.failures.empty()) return {};
  std::map<std::string, int> by_message;
  for (const Json& f : run.failures) ++by_message[text(f, "message", "?")];
  std::vector<Row> counts;
  for (const auto& [message, n] : by_message) counts.push_back({message, fmt::format("{}", n)});
  return html::section("Failures", html::table({"message", "count"}, counts) + html::details("each failure", table_of(run.failures)));
}

std::string run_body(const RunRecord& run) {
  std::string s = verdict(run) + violations(run);
  if (const auto cards = cards_of(run); !cards.empty()) s += html::cards(cards);
  s += results_sections(run) + pictures_section(run) + curve_sections(run);
  if (!run.slides.empty()) s += html::section("Slides", table_of(run.slides));
  if (!run.model_card.empty()) s += html::section("Model card", html::details("model_card.md of the run folder", html::preformatted(run.model_card)));
  if (!run.config_yaml.empty())
    s += html::section("Config", html::details("config.yaml, every default explicit", html::preformatted(run.config_yaml)));
  if (!run.manifest.is_null()) s += html::section("Machine and run", html::details("manifest.json", key_value_table(run.manifest)));
  s += failures_section(run);
  for (const auto& note : run.notes) s += html::paragraph("note", note);
  return s;
}

// ----------------------------------------------------------------------------------------------- several runs
/// Last value of every number that a run reports, as text.
std::vector<Row> headline_numbers(const RunRecord& run) {
  std::vector<Row> rows;
  for (const Json& m : metrics_of(run)) rows.push_back({text(m, "name"), fmt::format("{} ({})", text_of(estimate(m)), interval_text(m))});
  for (const auto& s : series_of(run.metrics)) rows.push_back({"last " + s.name, number(s.y.back())});
  return rows;
}

/// Differences of pairs of runs with their intervals.
std::string tests_section(const Json& tests) {
  const Json& all = at(tests, "comparisons");
  if (!all.is_array() || all.empty()) return {};
  std::vector<Row> rows;
  for (const Json& t : all)
    rows.push_back({text(t, "metric"), text(t, "a"), text(t, "b"), text(t, "difference", "–"), interval_text(t), text(t, "test"), text(t, "p", "–"),
                    text(t, "p_adjusted", "–"), text(t, "tests", "–"), text(t, "why")});
  std::string s = html::table({"metric", "a", "b", "a - b", "95 % interval", "test", "p", "p (Holm)", "tests", ""}, rows);
  for (const Json& note : at(tests, "notes")) s += html::paragraph("note", text_of(note));
  return html::section("Paired differences", s);
}

std::string comparison(const std::vector<RunRecord>& runs, const Json& tests) {
  Row head{"metric"};
  std::vector<Row> rows;
  for (size_t k = 0; k < runs.size(); ++k) {
    head.push_back(runs[k].name);
    for (const Row& r : headline_numbers(runs[k])) {
      auto it = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row[0] == r[0]; });
      if (it == rows.end()) it = rows.insert(rows.end(), Row{r[0]});
      it->resize(k + 1, "–");
      it->push_back(r[1]);
    }
  }
  for (Row& row : rows) row.resize(runs.size() + 1, "–");
  std::stable_partition(rows.begin(), rows.end(), [](const Row& row) { return !row[0].starts_with("last "); });
  std::string s = html::section("Runs side by side", html::table(head, rows)) + tests_section(tests);
  std::string differences;
  for (size_t k = 1; k < runs.size(); ++k) {
    // Beside the first run of its own verb: keys of two verbs are all different.
    const auto other = std::find_if(runs.begin(), runs.end(), [&](const RunRecord& r) { return r.verb == runs[k].verb; });
    if (runs[k].config_yaml.empty() || &*other == &runs[k]) continue;
    std::vector<Row> changed;
    for (const auto& d : config::diff(other->config_yaml, runs[k].config_yaml)) changed.push_back({d.key, d.a, d.b});
    differences += changed.empty() ? html::paragraph("note", fmt::format("{} and {} have the same config.", other->name, runs[k].name))
                                   : html::table({"key", other->name, runs[k].name}, changed);
  }
  return differences.empty() ? s : s + html::section("Differences of their configs", differences);
}

std::string title_of(const RunRecord& run) { return run.verb + " · " + run.name; }

}  // namespace

std::string report_html(const std::vector<RunRecord>& runs, const Json& tests) {
  EOSIN_CHECK(!runs.empty(), Config, "[report] no run was given; name at least one run folder");
  std::string title = runs.size() == 1 ? title_of(runs[0]) : fmt::format("{} runs", runs.size());
  std::string body = fmt::format("<header><h1>{}</h1>{}</header>\n", svg::escape(title),
                                 html::paragraph("sub", fmt::format("eosin {} · {}", version(), runs.size() == 1 ? runs[0].dir : "comparison")));
  if (runs.size() == 1) return html::page("eosin · " + title, body + run_body(runs[0]));
  body += comparison(runs, tests);
  for (const RunRecord& run : runs) body += fmt::format("<h2 class=\"run\">{}</h2>\n", svg::escape(title_of(run))) + run_body(run);
  return html::page("eosin · " + title, body);
}

void write_report(const std::vector<std::string>& run_dirs, const std::string& path, const Json& tests) {
  std::vector<RunRecord> runs;
  for (const auto& dir : run_dirs) runs.push_back(read_run(dir));
  write_file(path, report_html(runs, tests));
}

}  // namespace eosin::eval
