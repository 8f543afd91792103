#pragma once
// What a run does when a measure leaves its bounds: it says so, halves its learning rate, goes back to its last checkpoint, or ends.
#include "core/base/config.h"
#include "train/trainer.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace eosin::train {

/// "NAME < NUMBER: ACTION" or "NAME > NUMBER: ACTION"; NAME is loss, grad_norm, a part of the loss, a schedule, a module's gradient norm
/// ("grad_norms/head"), or a number of the online probe, as metrics.jsonl calls them.
struct Alarm {
  std::string text, measure, action;
  bool below = true;
  double bound = 0;

  bool rings(double value) const { return below ? value < bound : value > bound; }
};
/// Errors   Config saying what cannot be read.
Alarm parse_alarm(const std::string& text);

/// For `eosin list alarm`.
struct AlarmAction {
  const char *name, *one_line, *source;
};
const std::vector<AlarmAction>& alarm_actions();

/// The `watch` block.
struct WatchConfig {
  std::vector<std::string> alarms;
  double loss_spike = 3.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Judges every step that has the measure. An alarm acts when its measure leaves the bound, and again only after it was back; that it rings is
/// kept with the run. A measure that no step has is named once, with those that there are.
///
/// Checked  tests/train/test_alarms.cpp.
class AlarmHook final : public Hook {
 public:
  /// `probe_every`: steps between two probes, 0 = none.
  AlarmHook(const WatchConfig& config, Trainer& trainer, int64_t probe_every);

  void after(StepReport& report) override;

 private:
  void act(const Alarm& alarm, double value, StepReport& report);
  void name_unknown(const StepReport& report, const std::vector<std::string>& names);

  std::vector<Alarm> alarms_;
  Trainer& trainer_;
  int64_t probe_every_;
  std::set<std::string> seen_;
  bool all_named_ = false;
};

}  // namespace eosin::train
