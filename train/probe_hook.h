#pragma once
#include "train/hook.h"

#include <functional>
#include <utility>

namespace eosin::train {

/// Measures every `every` steps and at the end; the numbers join the step's report. What is measured is the application's:
/// it must leave the model as it found it and draw no random number that training draws.
class ProbeHook final : public Hook {
 public:
  ProbeHook(int64_t every, std::function<NamedValues()> measure) : every_(every), measure_(std::move(measure)) {}

  void after(StepReport& report) override {
    if (report.done() % every_ != 0 && !report.last()) return;
    for (auto& value : measure_()) report.measures.push_back(std::move(value));
  }

 private:
  int64_t every_;
  std::function<NamedValues()> measure_;
};

}  // namespace eosin::train
