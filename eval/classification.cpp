#include "eval/classification.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

struct Margins {
  std::vector<double> rows, cols;
  double total = 0, diagonal = 0;
};

Margins margins(const Matrix& m) {
  Margins s{std::vector<double>(m.rows), std::vector<double>(m.cols)};
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j) {
      s.rows[i] += m(i, j);
      s.cols[j] += m(i, j);
      s.total += m(i, j);
      if (i == j) s.diagonal += m(i, j);
    }
  return s;
}

double ratio(double a, double b, double zero_division) { return b > 0 ? a / b : zero_division; }

/// True positives, predicted and actual positives of one class or of several together.
struct Counts {
  double hit = 0, predicted = 0, actual = 0;
  double precision(double zero) const { return ratio(hit, predicted, zero); }
  double recall(double zero) const { return ratio(hit, actual, zero); }
  double f1(double zero) const { return ratio(2 * hit, predicted + actual, zero); }
};

}  // namespace

Matrix confusion(Labels target, Labels pred, int64_t num_classes, Weights weight) {
  check_length("eval.confusion", "predictions", pred.size(), target.size());
  check_labels("eval.confusion", target, num_classes);
  check_labels("eval.confusion", pred, num_classes);
  check_weights("eval.confusion", weight, target.size());
  Matrix m(num_classes, num_classes);
  for (size_t i = 0; i < target.size(); ++i) m(target[i], pred[i]) += weight_of(weight, i);
  return m;
}

double accuracy(Labels target, Labels pred, int64_t num_classes, Weights weight) {
  const Margins s = margins(confusion(target, pred, num_classes, weight));
  return s.diagonal / s.total;
}

double top_k_accuracy(Labels target, MatrixView score, int64_t k, Weights weight) {
  constexpr const char* kWhere = "eval.accuracy";
  check_labels(kWhere, target, score.cols);
  check_scores(kWhere, score, target.size(), score.cols);
  check_weights(kWhere, weight, target.size());
  EOSIN_CHECK(k >= 1 && k <= score.cols, Config, "[{}] top_k is outside the classes (got {}, need 1 ... {})", kWhere, k, score.cols);
  double hits = 0, total = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    const auto row = score.row(static_cast<int64_t>(i));
    const double own = row[target[i]];
    int64_t ahead = 0;
    for (int64_t c = 0; c < score.cols; ++c) ahead += row[c] > own || (row[c] == own && c < target[i]);
    hits += ahead < k ? weight_of(weight, i) : 0;
    total += weight_of(weight, i);
  }
  return hits / total;
}

Matrix normalize(Matrix m, Normalize how) {
  if (how == Normalize::None) return m;
  const Margins s = margins(m);
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j)
      m(i, j) = ratio(m(i, j), how == Normalize::True ? s.rows[i] : how == Normalize::Pred ? s.cols[j] : s.total, 0);
  return m;
}

double balanced_accuracy(const Matrix& m, bool adjusted) {
  const Margins s = margins(m);
  double sum = 0;
  int64_t present = 0;
  for (int64_t c = 0; c < m.rows; ++c) {
    if (s.rows[c] == 0) continue;
    sum += m(c, c) / s.rows[c];
    ++present;
  }
  EOSIN_CHECK(present > 0, Data, "[eval.balanced_accuracy] there is nothing to measure (got 0 samples, need at least 1)");
  const double value = sum / static_cast<double>(present);
  if (!adjusted) return value;
  EOSIN_CHECK(present > 1, Numeric, "[eval.balanced_accuracy] adjusting for chance is 0/0 with a single class; leave it unadjusted");
  const double chance = 1.0 / static_cast<double>(present);
  return (value - chance) / (1 - chance);
}

PrecisionRecallF1 precision_recall_f1(const Matrix& m, const F1Options& o) {
  const Margins s = margins(m);
  std::vector<Counts> classes;
  Counts together;
  for (int64_t c = 0; c < m.rows; ++c) {
    if (o.present_only && s.rows[c] == 0 && s.cols[c] == 0) continue;
    classes.push_back({m(c, c), s.cols[c], s.rows[c]});
    together = {together.hit + m(c, c), together.predicted + s.cols[c], together.actual + s.rows[c]};
  }
  if (o.average == Average::Micro) classes = {together};
  if (o.average == Average::Binary) {
    EOSIN_CHECK(o.pos_label >= 0 && o.pos_label < m.rows, Config, "[eval.f1] the positive class is outside the classes (got {}, need 0 ... {})",
                o.pos_label, m.rows - 1);
    classes = {{m(o.pos_label, o.pos_label), s.cols[o.pos_label], s.rows[o.pos_label]}};
  }
  PrecisionRecallF1 r;
  for (const Counts& c : classes) {
    r.precision.push_back(c.precision(o.zero_division));
    r.recall.push_back(c.recall(o.zero_division));
    r.f1.push_back(c.f1(o.zero_division));
  }
  if (o.average != Average::Macro && o.average != Average::Weighted) return r;
  double total = 0, precision = 0, recall = 0, f1 = 0;
  for (size_t c = 0; c < classes.size(); ++c) {
    const double w = o.average == Average::Weighted ? classes[c].actual : 1.0;
    total += w, precision += w * r.precision[c], recall += w * r.recall[c], f1 += w * r.f1[c];
  }
  return {{precision / total}, {recall / total}, {f1 / total}};
}

std::optional<double> cohen_kappa(const Matrix& m, KappaWeights weights) {
  const Margins s = margins(m);
  double observed = 0, expected = 0;
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j) {
      const double d = std::abs(static_cast<double>(i - j));
      const double w = weights == KappaWeights::None ? static_cast<double>(i != j) : weights == KappaWeights::Linear ? d : d * d;
      observed += w * m(i, j);
      expected += w * s.rows[i] * s.cols[j] / s.total;
    }
  if (!(expected > 0)) return std::nullopt;
  return 1 - observed / expected;
}

double matthews_correlation(const Matrix& m) {
  const Margins s = margins(m);
  double cross = 0, predicted = 0, actual = 0;
  for (int64_t c = 0; c < m.rows; ++c) {
    cross += s.cols[c] * s.rows[c];
    predicted += s.cols[c] * s.cols[c];
    actual += s.rows[c] * s.rows[c];
  }
  const double root = std::sqrt((s.total * s.total - predicted) * (s.total * s.total - actual));
  return root > 0 ? (s.diagonal * s.total - cross) / root : 0;
}

}  // namespace eosin::eval
