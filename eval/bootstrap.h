#pragma once
// Bootstrap intervals (Efron 1979, 1987). The unit that is resampled is the patient (or whatever the groups are), never the tile.
#include "eval/input.h"

#include <functional>
#include <optional>
#include <vector>

namespace eosin::eval {

/// A metric as a function of how often each row counts: all 1 is the metric itself, a resample is its multiplicities. Absent where
/// the metric is undefined (one class only). Order-free, so that nothing is sorted or copied for a replicate.
using Statistic = std::function<std::optional<double>(Weights weight)>;

/// Metrics of given rows, checked once. Errors as the metric's own.
Statistic mean_statistic(std::span<const double> value);
Statistic accuracy_statistic(Labels target, Labels pred);
Statistic balanced_accuracy_statistic(Labels target, Labels pred, int64_t num_classes);
Statistic auroc_statistic(Labels target, std::span<const double> score);
/// a - b on the same rows (paired); absent where either is.
Statistic difference(Statistic a, Statistic b);
/// The largest less the smallest of several on the same rows; absent where one is.
Statistic spread(std::vector<Statistic> all);

/// How often each unit (row or patient) is drawn in each replicate.
class Resampler {
 public:
  /// From indices [replicates, units] of drawn units.
  ///
  /// Errors   Data if an index is outside 0 ... units-1 or the sizes do not fit.
  static Resampler given(std::span<const int64_t> indices, int64_t units);
  /// Drawn by the counter-based generator from (seed, replicate): repeatable, the same for any number of threads.
  static Resampler drawn(int64_t units, int64_t replicates, uint64_t seed);
  int64_t units() const { return units_; }
  int64_t replicates() const { return replicates_; }
  std::vector<double> counts(int64_t replicate) const;

 private:
  int64_t units_ = 0, replicates_ = 0;
  uint64_t seed_ = 0;
  std::vector<int64_t> indices_;
};

enum class IntervalMethod { Percentile, Basic, Bca };
struct BootstrapOptions {
  IntervalMethod method = IntervalMethod::Percentile;
  double confidence = 0.95;
};

struct Interval {
  double estimate = 0, low = 0, high = 0, standard_error = 0;
  std::vector<double> replicates;  // in order of the resamples, without the undefined
  int64_t undefined = 0;           // resamples on which the metric is undefined: left out, counted
  /// False when more than 5 % of the resamples are undefined.
  bool reliable() const { return static_cast<double>(undefined) <= 0.05 * static_cast<double>(undefined + static_cast<int64_t>(replicates.size())); }
};

/// Interval of a metric over `rows` rows. `group` [rows] holds each row's unit, 0 ... units-1; empty: every row is a unit.
///
/// Errors   Data if the metric is undefined on all rows or on all but one resample. Numeric if BCa's correction is 0/0 (all replicates
///          on one side of the estimate, or a jackknife without spread): use Percentile. Config if confidence is outside (0, 1).
/// Checked  golden eval.bootstrap_ci; tests/eval/test_bootstrap.cpp.
Interval bootstrap_interval(const Statistic& statistic, int64_t rows, std::span<const int64_t> group, const Resampler& resampler,
                            const BootstrapOptions& options = {});

/// Linear interpolation between order statistics at position q/100 (n-1); `sorted` ascending, not empty.
double percentile(std::span<const double> sorted, double q);

}  // namespace eosin::eval
