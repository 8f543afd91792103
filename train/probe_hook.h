#pragma once
#include "core/tensor/comm.h"
#include "train/hook.h"

#include <functional>
#include <string>

namespace eosin::train {

/// Measures every `every` steps and at the end, on rank 0; the numbers join every rank's report. What is measured is the application's:
/// it must leave the model as it found it and draw no random number that training draws.
///
/// Checked  tests/train/test_alarms.cpp: two ranks.
class ProbeHook final : public Hook {
 public:
  /// `measure` is called on rank 0 alone.
  ProbeHook(int64_t every, std::function<NamedValues()> measure, Comm& comm) : every_(every), measure_(std::move(measure)), comm_(comm) {}

  void after(StepReport& report) override;

 private:
  int64_t every_;
  std::function<NamedValues()> measure_;
  Comm& comm_;
};

}  // namespace eosin::train
