#include "eval/calibration.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace eosin::eval {
namespace {

void check_multiclass(const char* where, Labels target, MatrixView prob) {
  check_labels(where, target, prob.cols);
  check_scores(where, prob, target.size(), prob.cols);
}

void check_binary(const char* where, Labels target, std::span<const double> prob) {
  check_length(where, "probabilities", prob.size(), target.size());
  check_labels(where, target, 2);
  check_finite(where, "probability", prob);
}

CalibrationError binned(const std::vector<double>& confidence, const std::vector<double>& correct, int64_t n_bins, CalibrationNorm norm,
                        Weights weight) {
  EOSIN_CHECK(n_bins > 0, Config, "[eval.ece] number of bins must be positive (got {})", n_bins);
  const size_t bins = static_cast<size_t>(n_bins) + 1;
  CalibrationError r{0, std::vector<double>(bins), std::vector<double>(bins), std::vector<double>(bins)};
  double total = 0;
  for (size_t i = 0; i < confidence.size(); ++i) {
    EOSIN_CHECK(confidence[i] >= 0 && confidence[i] <= 1, Data, "[eval.ece] row {} has confidence {} (need 0 ... 1)", i, confidence[i]);
    // The edges are the float64 numbers i / n_bins; a product may round across one.
    size_t b = static_cast<size_t>(confidence[i] * static_cast<double>(n_bins));
    while (b > 0 && confidence[i] < static_cast<double>(b) / static_cast<double>(n_bins)) --b;
    while (b + 1 < bins && confidence[i] >= static_cast<double>(b + 1) / static_cast<double>(n_bins)) ++b;
    const double w = weight_of(weight, i);
    r.accuracy[b] += w * correct[i], r.confidence[b] += w * confidence[i], r.fraction[b] += w, total += w;
  }
  for (size_t b = 0; b < bins; ++b) {
    if (r.fraction[b] == 0) continue;
    r.accuracy[b] /= r.fraction[b], r.confidence[b] /= r.fraction[b], r.fraction[b] /= total;
    const double gap = std::abs(r.accuracy[b] - r.confidence[b]);
    if (norm == CalibrationNorm::Max)
      r.value = std::max(r.value, gap);
    else
      r.value += r.fraction[b] * (norm == CalibrationNorm::L1 ? gap : gap * gap);
  }
  if (norm == CalibrationNorm::L2) r.value = std::sqrt(r.value);
  return r;
}

}  // namespace

double log_loss(Labels target, MatrixView prob, Weights weight) {
  check_multiclass("eval.log_loss", target, prob);
  check_weights("eval.log_loss", weight, target.size());
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  double sum = 0, total = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    sum -= weight_of(weight, i) * std::log(std::clamp(prob(static_cast<int64_t>(i), target[i]), kEps, 1 - kEps));
    total += weight_of(weight, i);
  }
  return sum / total;
}

double brier_binary(Labels target, std::span<const double> prob) {
  check_binary("eval.brier", target, prob);
  double sum = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    const double d = prob[i] - static_cast<double>(target[i]);
    sum += d * d;
  }
  return sum / static_cast<double>(target.size());
}

double brier(Labels target, MatrixView prob, bool scale_by_half, Weights weight) {
  check_multiclass("eval.brier", target, prob);
  check_weights("eval.brier", weight, target.size());
  double sum = 0, total = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    double square = 0;
    for (int64_t c = 0; c < prob.cols; ++c) {
      const double d = prob(static_cast<int64_t>(i), c) - static_cast<double>(target[i] == c);
      square += d * d;
    }
    sum += weight_of(weight, i) * square;
    total += weight_of(weight, i);
  }
  return sum / total * (scale_by_half ? 0.5 : 1.0);
}

CalibrationError calibration_error(Labels target, MatrixView prob, int64_t n_bins, CalibrationNorm norm, Weights weight) {
  check_multiclass("eval.ece", target, prob);
  check_weights("eval.ece", weight, target.size());
  std::vector<double> confidence, correct;
  for (size_t i = 0; i < target.size(); ++i) {
    const auto row = prob.row(static_cast<int64_t>(i));
    const int64_t top = argmax(row);
    confidence.push_back(row[top]);
    correct.push_back(top == target[i]);
  }
  return binned(confidence, correct, n_bins, norm, weight);
}

CalibrationError calibration_error_binary(Labels target, std::span<const double> prob, int64_t n_bins, CalibrationNorm norm) {
  check_binary("eval.ece", target, prob);
  return binned({prob.begin(), prob.end()}, {target.begin(), target.end()}, n_bins, norm, {});
}

}  // namespace eosin::eval
