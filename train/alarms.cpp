#include "train/alarms.h"

#include "core/base/error.h"
#include "core/base/log.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace eosin::train {
namespace {

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// All numbers of a step under the names that metrics.jsonl has for them.
NamedValues numbers_of(const StepReport& report) {
  NamedValues all = {{"loss", report.loss}, {"grad_norm", report.grad_norm}};
  for (const auto* named : {&report.parts, &report.schedules, &report.measures}) all.insert(all.end(), named->begin(), named->end());
  for (const auto& [module, norm] : report.grad_norms) all.emplace_back("grad_norms/" + module, norm);
  return all;
}

}  // namespace

const std::vector<AlarmAction>& alarm_actions() {
  static const std::vector<AlarmAction> rows = {
      {"warn", "says so in the log", ""},
      {"halve_lr", "halves the learning rate for the rest of the run", ""},
      {"rollback", "goes back to the last checkpoint and on with other tiles", "Chowdhery 2022, arXiv:2204.02311, section 5.1"},
      {"abort", "ends the run with exit code 6; its checkpoints stay", ""},
  };
  return rows;
}

Alarm parse_alarm(const std::string& text) {
  Alarm alarm;
  alarm.text = text;
  const size_t sign = text.find_first_of("<>"), colon = text.rfind(':');
  const bool whole = sign != std::string::npos && colon != std::string::npos && sign < colon;
  std::string bound;
  if (whole) {
    alarm.measure = trimmed(text.substr(0, sign)), alarm.action = trimmed(text.substr(colon + 1)), alarm.below = text[sign] == '<';
    bound = trimmed(text.substr(sign + 1, colon - sign - 1));
  }
  const auto [end, error] = std::from_chars(bound.data(), bound.data() + bound.size(), alarm.bound);
  EOSIN_CHECK(whole && !alarm.measure.empty() && error == std::errc() && end == bound.data() + bound.size() && std::isfinite(alarm.bound), Config,
              "'{}' cannot be read (need 'NAME < NUMBER: ACTION' or 'NAME > NUMBER: ACTION')", text);
  std::vector<std::string> names;
  for (const auto& row : alarm_actions()) names.emplace_back(row.name);
  EOSIN_CHECK(std::find(names.begin(), names.end(), alarm.action) != names.end(), Config, "'{}': unknown action '{}' (need one of: {})", text,
              alarm.action, fmt::join(names, ", "));
  return alarm;
}

void WatchConfig::visit(config::Visitor& v) {
  v("alarms", alarms, "list of 'MEASURE < NUMBER: ACTION' or with >; actions: warn, halve_lr, rollback, abort (eosin list alarm)");
  v("loss_spike", loss_spike,
    "a loss so many times the median of the 100 steps before it is named in the log, and its step kept for `pretrain --replay`; 0: none",
    config::Range{0, 1e9});
}

void WatchConfig::validate(config::Problems& p) const {
  for (const auto& text : alarms) try {
      parse_alarm(text);
    } catch (const Error& e) {
      p.add("alarms", e.what());
    }
}

AlarmHook::AlarmHook(const WatchConfig& config, Trainer& trainer, int64_t probe_every) : trainer_(trainer), probe_every_(probe_every) {
  for (const auto& text : config.alarms) alarms_.push_back(parse_alarm(text));
}

void AlarmHook::after(StepReport& report) {
  const NamedValues numbers = numbers_of(report);
  nlohmann::json& ringing = trainer_.memory("alarms");
  for (const Alarm& alarm : alarms_)
    for (const auto& [name, value] : numbers) {
      if (name != alarm.measure) continue;
      seen_.insert(name);
      const bool rang = ringing.contains(alarm.text), rings = alarm.rings(value);
      if (rings && !rang) act(alarm, value, report);
      if (!rings && rang && std::isfinite(value)) {
        log::info("[watch] step {}: {} is back at {:.4g} ({})", report.done(), name, value, alarm.text);
        ringing.erase(alarm.text);
      }
    }
  std::vector<std::string> names;
  for (const auto& [name, value] : numbers) names.push_back(name);
  name_unknown(report, names);
}

void AlarmHook::act(const Alarm& alarm, double value, StepReport& report) {
  trainer_.memory("alarms")[alarm.text] = report.done();
  const std::string what = fmt::format("[watch] step {}: {} is {:.4g} ({})", report.done(), alarm.measure, value, alarm.text);
  log::warn("{}", what);
  if (alarm.action == "halve_lr") trainer_.scale_lr(0.5);
  if (alarm.action == "rollback") report.judge(Fate::kRollBack, what);
  if (alarm.action == "abort") report.judge(Fate::kAbort, what);
}

/// Once, at the first step that has all kinds of numbers.
void AlarmHook::name_unknown(const StepReport& report, const std::vector<std::string>& names) {
  if (all_named_ || !report.progress.log_step || (probe_every_ > 0 && report.measures.empty())) return;
  all_named_ = true;
  for (const Alarm& alarm : alarms_)
    if (!seen_.contains(alarm.measure))
      log::warn("[watch] '{}' has seen no measure of that name yet; there are: {}", alarm.text, fmt::join(names, ", "));
}

}  // namespace eosin::train
