#include "eval/input.h"

#include "core/base/error.h"

#include <cmath>

namespace eosin::eval {

void check_labels(std::string_view where, Labels labels, int64_t num_classes) {
  EOSIN_CHECK(!labels.empty(), Data, "[{}] there is nothing to measure (got 0 samples, need at least 1)", where);
  EOSIN_CHECK(num_classes > 0, Config, "[{}] number of classes must be positive (got {})", where, num_classes);
  for (size_t i = 0; i < labels.size(); ++i)
    EOSIN_CHECK(labels[i] >= 0 && labels[i] < num_classes, Data, "[{}] label outside the declared classes (row {}: got {}, need 0 ... {})", where, i,
                labels[i], num_classes - 1);
}

void check_length(std::string_view where, std::string_view what, size_t got, size_t need) {
  EOSIN_CHECK(got == need, Data, "[{}] {} and samples differ in number (got {}, need {})", where, what, got, need);
}

void check_finite(std::string_view where, std::string_view what, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i)
    EOSIN_CHECK(std::isfinite(values[i]), Data, "[{}] {} {} is not finite (got {})", where, what, i, values[i]);
}

void check_weights(std::string_view where, Weights weight, size_t need) {
  if (weight.empty()) return;
  check_length(where, "weights", weight.size(), need);
  check_finite(where, "weight", weight);
  double sum = 0;
  for (size_t i = 0; i < weight.size(); ++i) {
    EOSIN_CHECK(weight[i] >= 0, Data, "[{}] weight {} is negative (got {})", where, i, weight[i]);
    sum += weight[i];
  }
  EOSIN_CHECK(sum > 0, Data, "[{}] all weights are zero", where);
}

void check_scores(std::string_view where, MatrixView score, size_t rows, int64_t cols) {
  check_length(where, "score rows", static_cast<size_t>(score.rows), rows);
  EOSIN_CHECK(score.cols == cols, Data, "[{}] scores need one column a class (got {}, need {})", where, score.cols, cols);
  for (int64_t i = 0; i < score.rows; ++i)
    for (double v : score.row(i)) EOSIN_CHECK(std::isfinite(v), Data, "[{}] score of row {} is not finite (got {})", where, i, v);
}

void check_probabilities(std::string_view where, MatrixView prob) {
  for (int64_t i = 0; i < prob.rows; ++i) {
    double sum = 0;
    for (double p : prob.row(i)) {
      EOSIN_CHECK(p >= 0 && p <= 1, Data, "[{}] row {} holds {}, which is no probability (need 0 ... 1)", where, i, p);
      sum += p;
    }
    EOSIN_CHECK(std::abs(sum - 1) <= 1e-3, Data, "[{}] the probabilities of row {} sum to {} (need 1)", where, i, sum);
  }
}

}  // namespace eosin::eval
