#include "train/log_hook.h"

namespace eosin::train {
namespace {

nlohmann::ordered_json object(const NamedValues& values) {
  auto o = nlohmann::ordered_json::object();
  for (const auto& [name, value] : values) o[name] = value;
  return o;
}

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

LogHook::LogHook(LogSinks sinks, int64_t batch_size, int64_t samples_per_epoch, std::function<double()> waited)
    : sinks_(std::move(sinks)), batch_size_(batch_size), samples_per_epoch_(samples_per_epoch), waited_(std::move(waited)) {}

void LogHook::start(const Progress& progress) { begin_ = previous_ = newest_ = {Clock::now(), progress.step, waited_()}; }

void LogHook::after(StepReport& report) {
  newest_ = {Clock::now(), report.done(), waited_()};
  last_loss_ = report.loss;
  if (sinks_.progress) sinks_.progress(report);
  if (!report.progress.log_step && report.measures.empty()) return;
  const auto row = row_of(report, newest_);
  if (sinks_.row) sinks_.row(row);
  if (sinks_.events) to_events(report, row);
  previous_ = newest_;
}

/// What was done counts as done: the marks move along.
void LogHook::rolled_back(const Progress& progress, int64_t steps) {
  for (Mark* mark : {&begin_, &previous_, &newest_}) mark->step -= steps;
  if (sinks_.rolled_back) sinks_.rolled_back(progress.step);
  if (sinks_.events) sinks_.events->restart(progress.step + 1);
}

double LogHook::rate(const Mark& from, const Mark& to) const {
  const double time = seconds(to.time - from.time);
  return time > 0.0 ? static_cast<double>((to.step - from.step) * batch_size_) / time : 0.0;
}

double LogHook::images_per_second() const { return rate(begin_, newest_); }

nlohmann::ordered_json LogHook::row_of(const StepReport& report, const Mark& now) const {
  const int64_t samples = report.progress.samples + batch_size_;
  const double time = seconds(now.time - previous_.time);
  nlohmann::ordered_json row;
  row["step"] = report.done();
  if (samples_per_epoch_ > 0) row["epoch"] = static_cast<double>(samples) / static_cast<double>(samples_per_epoch_);
  row["samples"] = samples;
  row["loss"] = report.loss;
  if (!report.parts.empty()) row["parts"] = object(report.parts);
  row["lr"] = report.lr;
  row["weight_decay"] = report.weight_decay;
  for (const auto& [name, value] : report.schedules) row[name] = value;
  row["grad_norm"] = report.grad_norm;
  if (!report.grad_norms.empty()) row["grad_norms"] = object(report.grad_norms);
  row["skipped"] = report.skipped;
  row["images_per_second"] = rate(previous_, now);
  row["data_wait_fraction"] = time > 0.0 ? (now.waited - previous_.waited) / time : 0.0;
  row["time"] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (!report.measures.empty()) row["eval"] = object(report.measures);
  return row;
}

void LogHook::to_events(const StepReport& report, const nlohmann::ordered_json& row) {
  for (const auto& [key, value] : row.items()) {
    if (value.is_number() && key != "step" && key != "time") sinks_.events->scalar("train/" + key, report.done(), value.get<double>());
    if (!value.is_object()) continue;
    for (const auto& [name, part] : value.items()) sinks_.events->scalar(key + "/" + name, report.done(), part.get<double>());
  }
  sinks_.events->flush();
}

}  // namespace eosin::train
