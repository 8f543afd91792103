#include "eval/model_card.h"

#include "core/base/error.h"
#include "eval/svg.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

const Json& at(const Json& v, const std::string& key) {
  static const Json nothing;
  const auto it = v.is_object() ? v.find(key) : v.end();
  return it == v.end() ? nothing : *it;
}

/// Text that Markdown takes as it is: on one line, without what would open a cell, a link or a tag.
std::string plain(const Json& v) {
  std::string text = v.is_string() ? v.get<std::string>() : v.is_number_float() ? svg::number(v.get<double>()) : v.is_null() ? "–" : v.dump();
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += ' ';
      continue;
    }
    if (std::string_view("|<>[]`*_\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string plain(const Json& v, const std::string& key) { return plain(at(v, key)); }

/// "- name: value" of what is known.
std::string item(const std::string& name, const Json& value) {
  return value.is_null() || value == "" ? "" : fmt::format("- {}: {}\n", name, plain(value));
}

std::string interval(const Json& m) {
  const Json &low = at(m, "ci_low"), &high = at(m, "ci_high");
  return low.is_number() && high.is_number() ? fmt::format("{} – {}", plain(low), plain(high)) : "–";
}

std::string data_part(const RunRecord& run) {
  const Json& data = at(run.results, "data");
  std::string s = "## Data\n\n";
  s += item("cohort", at(data, "cohort")) + item("SHA-256 of the cohort's file", at(run.manifest, "cohort_sha256"));
  s += item("features", at(data, "features")) + item("encoder", at(at(data, "encoder"), "name")) + item("width of a feature", at(data, "dim"));
  s += item("SHA-256 over the bags' names, patients, outcomes and mean features", at(run.manifest, "data_sha256"));
  s += item("bags, one a " + plain(data, "unit"), at(data, "bags")) + item("patients", at(data, "patients")) + item("sites", at(data, "sites"));
  s += item("tiles", at(data, "tiles"));
  std::vector<std::string> counts;
  for (const auto& [name, n] : at(data, "balance").items()) counts.push_back(fmt::format("{} {}", plain(Json(name)), plain(n)));
  for (const auto& [name, n] : at(data, "known").items()) counts.push_back(fmt::format("{} {}", plain(Json(name)), plain(n)));
  return s + (counts.empty() ? "" : fmt::format("- bags by outcome: {}\n", fmt::join(counts, ", ")));
}

std::string protocol_part(const RunRecord& run) {
  const Json &protocol = at(run.results, "protocol"), &split = at(protocol, "split");
  std::string s = "\n## Protocol\n\n";
  s += item("kind", at(protocol, "kind"));
  s += item("splits", at(split, "source")) + item("number of splits", at(split, "splits")) + item("SHA-256 of the splits", at(split, "hash"));
  s += item("a model's epoch and rates chosen by", at(protocol, "selection")) + item("threshold", at(protocol, "threshold"));
  for (const Json& v : at(protocol, "violations")) s += fmt::format("- **leak:** {}\n", plain(v));
  for (const Json& row : at(protocol, "audit"))
    if (at(row, "state") == "warning") s += fmt::format("- warning of the audit: {}\n", plain(row, "message"));
  return s;
}

std::string figures_part(const RunRecord& run) {
  const bool grouped = !at(at(run.results, "data"), "patients").is_null();
  std::string s =
      fmt::format("\n## Figures\n\nOf the pooled predictions for bags that the predicting model had not seen; intervals of 95 % resample {}.\n\n",
                  grouped ? "whole patients" : "bags");
  s += "| metric | value | interval | mean of folds | sd |\n|---|---|---|---|---|\n";
  for (const Json& m : at(run.results, "metrics")) {
    const Json& pooled = at(at(m, "pooled"), "value");
    s += fmt::format("| {} | {} | {} | {} | {} |\n", plain(m, "name"), plain(pooled), interval(m), plain(m, "mean"), plain(m, "sd"));
  }
  return s;
}

std::string baselines_part(const RunRecord& run) {
  const Json& models = at(run.results, "models");
  if (!models.is_array() || models.empty()) return {};
  std::string name, rows;
  for (const Json& model : models) {
    const Json& metrics = at(model, "metrics");
    if (!metrics.is_object() || metrics.empty()) continue;
    const auto first = metrics.items().begin();
    name = first.key();
    rows += fmt::format("| {} | {} | {} | {} | {} |\n", plain(model, "name"), plain(model, "kind"), plain(model, "protocol"),
                        plain(first.value(), "mean"), interval(first.value()));
  }
  std::string s = fmt::format("\n## Beside other models\n\n| model | | protocol | {}, mean of folds | interval |\n|---|---|---|---|---|\n{}",
                              plain(Json(name)), rows);
  for (const Json& c : at(run.results, "comparisons"))
    if (at(c, "p_adjusted").is_number())
      s += fmt::format("\n{} against {}: difference {} (corrected resampled t, p {} after Holm).\n", plain(c, "a"), plain(c, "b"),
                       plain(c, "difference"), plain(c, "p_adjusted"));
  return s;
}

std::string localization_part(const RunRecord& run) {
  const Json& l = at(run.results, "localization");
  if (!at(l, "average_precision").is_number()) return {};
  return fmt::format(
      "\n## Where it looks\n\nAverage precision of the tiles' scores against known regions: {} over {} slides (chance {}); AUROC {}.\n",
      plain(l, "average_precision"), plain(l, "slides"), plain(l, "chance"), plain(l, "auroc"));
}

std::string limits_part(const RunRecord& run) {
  const Json &data = at(run.results, "data"), &protocol = at(run.results, "protocol");
  std::string s =
      "\n## Limits of use\n\n- For research. Nothing here shows that a decision on a patient may rest on it.\n"
      "- Each figure is of as many models as there are splits, each of which saw another part of the cohort; no single one was measured on all of "
      "it.\n"
      "- Nothing was measured on another cohort, encoder, scanner or stain than those above.\n";
  if (at(data, "patients").is_null()) s += "- The cohort names no patients: two slides of one patient may be on both sides of a split.\n";
  if (at(data, "sites").is_null()) s += "- The cohort names no sites: how far the figures rest on them is not known.\n";
  if (at(protocol, "kind") == "leaking") s += "- The splits leak (above): the figures are too good by an unknown amount.\n";
  for (const Json& note : at(run.results, "notes")) s += fmt::format("- {}\n", plain(note));
  if (const size_t failed = at(run.results, "failures").size(); failed > 0) s += fmt::format("- {} models failed and are in no figure.\n", failed);
  return s;
}

std::string repeat_part(const RunRecord& run) {
  std::string s = "\n## How to repeat\n\n    eosin run config.yaml        # of this folder, with run.dir=... for another\n\n";
  s += item("eosin", at(run.manifest, "version")) + item("commit", at(run.manifest, "git_commit")) + item("torch", at(run.manifest, "torch"));
  s += item("hash of the config", at(run.manifest, "config_hash")) + item("seed", at(run.manifest, "seed"));
  return s + "\nThe same data, config and program give the same predictions, to the bit, for any number of threads (predictions.csv).\n";
}

}  // namespace

std::string model_card(const RunRecord& run) {
  EOSIN_CHECK(run.results.is_object(), Data, "[{}] has no results.json to make a model card of", run.dir);
  return fmt::format("# Model card: {} ({})\n\n", plain(at(run.results, "protocol"), "name"), plain(Json(run.name))) + data_part(run) +
         protocol_part(run) + figures_part(run) + baselines_part(run) + localization_part(run) + limits_part(run) + repeat_part(run);
}

}  // namespace eosin::eval
