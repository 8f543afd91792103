#pragma once
#include <cstdint>
#include <limits>
#include <string>

namespace eosin::optim {

struct PlateauConfig {
  double base = 1e-3;
  std::string mode = "min";  // or "max"
  double factor = 0.1;
  int64_t patience = 10;
  double threshold = 1e-4;
  std::string threshold_mode = "rel";  // or "abs"
  int64_t cooldown = 0;
  double min_lr = 0.0;
};

/// Lowers the learning rate when a metric has stopped improving (torch ReduceLROnPlateau). The one schedule with a state.
///
/// Differs  changes of the rate below 1e-8 are ignored, as in torch.
/// Checked  golden optim.schedule "plateau", tests/optim/test_curves.cpp.
class Plateau {
 public:
  /// Errors   Config for an unknown mode or threshold_mode.
  explicit Plateau(PlateauConfig config);
  /// The rate in force.
  double value() const { return value_; }
  void report(double metric);

  struct Memory {
    double value, best;
    int64_t bad = 0, cooling = 0;
  };
  Memory memory() const { return {value_, best_, bad_, cooling_}; }
  void restore(const Memory& m);

 private:
  bool improves(double metric) const;

  PlateauConfig config_;
  double value_, best_;
  int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace eosin::optim
