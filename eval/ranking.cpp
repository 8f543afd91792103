#include "eval/ranking.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kAuroc = "eval.auroc";

std::vector<uint32_t> ascending(MatrixView score, int64_t column) {
  std::vector<std::pair<double, uint32_t>> keyed(static_cast<size_t>(score.rows));
  for (int64_t i = 0; i < score.rows; ++i) keyed[i] = {score(i, column), static_cast<uint32_t>(i)};
  std::sort(keyed.begin(), keyed.end());
  std::vector<uint32_t> order(keyed.size());
  std::transform(keyed.begin(), keyed.end(), order.begin(), [](const auto& k) { return k.second; });
  return order;
}

/// Calls run(begin, end) for each run of equal scores of `order`.
template <class F>
void for_each_tie(const std::vector<uint32_t>& order, MatrixView score, int64_t column, F run) {
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && score(order[end], column) == score(order[begin], column)) ++end;
    run(begin, end);
    begin = end;
  }
}

void check_binary(const char* where, Labels target, std::span<const double> score, Weights weight) {
  check_length(where, "scores", score.size(), target.size());
  check_labels(where, target, 2);
  check_finite(where, "score", score);
  check_weights(where, weight, target.size());
}

void check_multiclass(const char* where, Labels target, MatrixView score, Weights weight) {
  check_labels(where, target, score.cols);
  check_scores(where, score, target.size(), score.cols);
  check_weights(where, weight, target.size());
}

/// wins(a, b) = weighted pairs (sample of class a, sample of class b) that score column a ranks rightly, ties half.
struct PairWins {
  Matrix wins;
  std::vector<double> count;
};

PairWins pair_wins(Labels target, MatrixView score, Weights weight) {
  const int64_t classes = score.cols;
  PairWins p{Matrix(classes, classes), std::vector<double>(classes)};
  for (size_t i = 0; i < target.size(); ++i) p.count[target[i]] += weight_of(weight, i);
  std::vector<double> below(classes), tied(classes);
  for (int64_t a = 0; a < classes; ++a) {
    std::fill(below.begin(), below.end(), 0.0);
    const auto order = ascending(score, a);
    for_each_tie(order, score, a, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) tied[target[order[i]]] += weight_of(weight, order[i]);
      if (tied[a] > 0)
        for (int64_t b = 0; b < classes; ++b) p.wins(a, b) += tied[a] * (below[b] + 0.5 * tied[b]);
      for (size_t i = begin; i < end; ++i) {
        double& t = tied[target[order[i]]];
        below[target[order[i]]] += t;
        t = 0;
      }
    });
  }
  return p;
}

void check_class_present(int64_t c, double positives, double negatives) {
  EOSIN_CHECK(positives > 0, Data, "[{}] class {} has no sample (got a single class where two are needed); leave it out or use fewer folds", kAuroc,
              c);
  EOSIN_CHECK(negatives > 0, Data, "[{}] every sample is of class {} (got a single class, need two)", kAuroc, c);
}

/// Flattened indicator matrix, for micro averages.
struct Flat {
  std::vector<int64_t> target;
  std::vector<double> weight;
};
Flat flatten(Labels target, int64_t classes, Weights weight) {
  Flat f;
  for (size_t i = 0; i < target.size(); ++i)
    for (int64_t c = 0; c < classes; ++c) {
      f.target.push_back(target[i] == c);
      if (!weight.empty()) f.weight.push_back(weight[i]);
    }
  return f;
}

std::vector<int64_t> indicator(Labels target, int64_t c) {
  std::vector<int64_t> is(target.size());
  std::transform(target.begin(), target.end(), is.begin(), [c](int64_t t) { return t == c; });
  return is;
}

std::vector<double> column(MatrixView m, int64_t c) {
  std::vector<double> v(static_cast<size_t>(m.rows));
  for (int64_t i = 0; i < m.rows; ++i) v[i] = m(i, c);
  return v;
}

/// Cumulative weights of negatives and positives at each distinct score, from the highest down.
struct Cumulative {
  std::vector<double> fp, tp, threshold;
};
Cumulative cumulative(Labels target, std::span<const double> score, Weights weight) {
  const MatrixView view{score.data(), static_cast<int64_t>(score.size()), 1};
  auto order = ascending(view, 0);
  std::reverse(order.begin(), order.end());
  Cumulative c;
  double fp = 0, tp = 0;
  for_each_tie(order, view, 0, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) (target[order[i]] ? tp : fp) += weight_of(weight, order[i]);
    c.fp.push_back(fp), c.tp.push_back(tp), c.threshold.push_back(score[order[begin]]);
  });
  return c;
}

bool bends(const std::vector<double>& v, size_t i) { return (v[i + 1] - v[i]) - (v[i] - v[i - 1]) != 0; }

void keep_corners(Cumulative& c) {
  const size_t n = c.fp.size();
  if (n <= 2) return;
  Cumulative kept;
  for (size_t i = 0; i < n; ++i) {
    const bool corner = i == 0 || i + 1 == n || bends(c.fp, i) || bends(c.tp, i);
    if (!corner) continue;
    kept.fp.push_back(c.fp[i]), kept.tp.push_back(c.tp[i]), kept.threshold.push_back(c.threshold[i]);
  }
  c = std::move(kept);
}

double weighted_mean(const std::vector<double>& v, const std::vector<double>& w, Average average) {
  double sum = 0, total = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    const double share = average == Average::Weighted ? w[i] : 1.0;
    sum += share * v[i];
    total += share;
  }
  return sum / total;
}

}  // namespace

double auroc(Labels target, std::span<const double> score, Weights weight) {
  check_binary(kAuroc, target, score, weight);
  const RankedScores ranked(target, {score.data(), static_cast<int64_t>(score.size()), 1});
  const auto value = ranked.area(0, weight);
  EOSIN_CHECK(value.has_value(), Data, "[{}] a single class occurs in the target (need positives and negatives)", kAuroc);
  return *value;
}

double partial_auroc(Labels target, std::span<const double> score, double max_fpr, Weights weight) {
  EOSIN_CHECK(max_fpr > 0 && max_fpr <= 1, Config, "[{}] max_fpr is outside (0, 1] (got {})", kAuroc, max_fpr);
  if (max_fpr == 1) return auroc(target, score, weight);
  const RocCurve roc = roc_curve(target, score, false, weight);
  double area = 0;
  for (size_t i = 1; i < roc.fpr.size() && roc.fpr[i - 1] < max_fpr; ++i) {
    const double x0 = roc.fpr[i - 1], y0 = roc.tpr[i - 1], width = roc.fpr[i] - x0;
    if (width == 0) continue;
    const double x1 = std::min(roc.fpr[i], max_fpr), y1 = y0 + (roc.tpr[i] - y0) * (x1 - x0) / width;
    area += (x1 - x0) * (y0 + y1) / 2;
  }
  const double least = max_fpr * max_fpr / 2;
  return 0.5 * (1 + (area - least) / (max_fpr - least));
}

OneVsRest auroc_ovr(Labels target, MatrixView score, Average average, Weights weight) {
  check_multiclass(kAuroc, target, score, weight);
  if (average == Average::Micro) {
    const Flat flat = flatten(target, score.cols, weight);
    return {auroc(flat.target, score.all(), flat.weight), {}};
  }
  const PairWins p = pair_wins(target, score, weight);
  const double total = std::accumulate(p.count.begin(), p.count.end(), 0.0);
  OneVsRest r;
  for (int64_t a = 0; a < score.cols; ++a) {
    check_class_present(a, p.count[a], total - p.count[a]);
    double wins = 0;
    for (int64_t b = 0; b < score.cols; ++b) wins += a == b ? 0 : p.wins(a, b);
    r.per_class.push_back(wins / (p.count[a] * (total - p.count[a])));
  }
  r.value = weighted_mean(r.per_class, p.count, average);
  return r;
}

double auroc_ovo(Labels target, MatrixView score, Average average, Weights weight) {
  check_multiclass(kAuroc, target, score, weight);
  const PairWins p = pair_wins(target, score, weight);
  const double total = std::accumulate(p.count.begin(), p.count.end(), 0.0);
  std::vector<double> value, size;
  for (int64_t a = 0; a < score.cols; ++a) {
    check_class_present(a, p.count[a], total - p.count[a]);
    for (int64_t b = a + 1; b < score.cols; ++b) {
      check_class_present(b, p.count[b], total - p.count[b]);
      value.push_back((p.wins(a, b) + p.wins(b, a)) / (2 * p.count[a] * p.count[b]));
      size.push_back(p.count[a] + p.count[b]);
    }
  }
  return weighted_mean(value, size, average);
}

RankedScores::RankedScores(Labels target, MatrixView score) : target_(target.begin(), target.end()), cols_(score.cols) {
  check_labels(kAuroc, target, std::max<int64_t>(score.cols, 2));
  check_scores(kAuroc, score, target.size(), score.cols);
  for (int64_t c = 0; c < score.cols; ++c) {
    order_.push_back(ascending(score, c));
    std::vector<uint32_t> ends;
    for_each_tie(order_.back(), score, c, [&](size_t, size_t end) { ends.push_back(static_cast<uint32_t>(end)); });
    tie_end_.push_back(std::move(ends));
  }
}

std::optional<double> RankedScores::area(int64_t c, Weights weight) const {
  const int64_t positive = cols_ == 1 ? 1 : c;
  double wins = 0, below = 0, positives = 0;
  uint32_t i = 0;
  for (const uint32_t end : tie_end_[c]) {
    double tied[2] = {0, 0};
    for (; i < end; ++i) tied[target_[order_[c][i]] == positive] += weight_of(weight, order_[c][i]);
    wins += tied[1] * (below + 0.5 * tied[0]);
    below += tied[0];
    positives += tied[1];
  }
  if (!(positives > 0 && below > 0)) return std::nullopt;
  return wins / (positives * below);
}

std::optional<double> RankedScores::precision(int64_t c, Weights weight) const {
  const int64_t positive = cols_ == 1 ? 1 : c;
  double found = 0, seen = 0, sum = 0;
  for (size_t run = tie_end_[c].size(); run-- > 0;) {
    double tied = 0;
    for (uint32_t i = run == 0 ? 0 : tie_end_[c][run - 1]; i < tie_end_[c][run]; ++i) {
      const double w = weight_of(weight, order_[c][i]);
      seen += w;
      if (target_[order_[c][i]] == positive) tied += w;
    }
    found += tied;
    if (tied > 0) sum += tied * found / seen;
  }
  if (!(found > 0)) return std::nullopt;
  return sum / found;
}

std::optional<double> RankedScores::mean_of(OfClass measure, Weights weight) const {
  double sum = 0;
  for (int64_t c = 0; c < cols_; ++c) {
    const auto value = (this->*measure)(c, weight);
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum / static_cast<double>(cols_);
}

std::optional<double> RankedScores::macro(Weights weight) const { return mean_of(&RankedScores::area, weight); }
std::optional<double> RankedScores::macro_precision(Weights weight) const { return mean_of(&RankedScores::precision, weight); }

RocCurve roc_curve(Labels target, std::span<const double> score, bool drop_intermediate, Weights weight) {
  check_binary("eval.roc_curve", target, score, weight);
  Cumulative c = cumulative(target, score, weight);
  const double positives = c.tp.back(), negatives = c.fp.back();
  EOSIN_CHECK(positives > 0 && negatives > 0, Data, "[eval.roc_curve] a single class occurs in the target (need positives and negatives)");
  if (drop_intermediate) keep_corners(c);
  RocCurve r{{0}, {0}, c.threshold};
  for (double fp : c.fp) r.fpr.push_back(fp / negatives);
  for (double tp : c.tp) r.tpr.push_back(tp / positives);
  return r;
}

PrecisionRecallCurve pr_curve(Labels target, std::span<const double> score, Weights weight) {
  check_binary("eval.pr_curve", target, score, weight);
  const Cumulative c = cumulative(target, score, weight);
  EOSIN_CHECK(c.tp.back() > 0, Data, "[eval.pr_curve] a single class occurs in the target: there is no positive");
  PrecisionRecallCurve r;
  for (size_t i = c.tp.size(); i-- > 0;) {
    const double called = c.tp[i] + c.fp[i];
    r.precision.push_back(called > 0 ? c.tp[i] / called : 0);
    r.recall.push_back(c.tp[i] / c.tp.back());
    r.threshold.push_back(c.threshold[i]);
  }
  r.precision.push_back(1);
  r.recall.push_back(0);
  return r;
}

double average_precision(Labels target, std::span<const double> score, Weights weight) {
  const PrecisionRecallCurve c = pr_curve(target, score, weight);
  double sum = 0;
  for (size_t i = 0; i + 1 < c.recall.size(); ++i) sum += (c.recall[i] - c.recall[i + 1]) * c.precision[i];
  return sum;
}

double average_precision_multiclass(Labels target, MatrixView score, Average average, Weights weight) {
  check_multiclass("eval.average_precision", target, score, weight);
  if (average == Average::Micro) {
    const Flat flat = flatten(target, score.cols, weight);
    return average_precision(flat.target, score.all(), flat.weight);
  }
  std::vector<double> value, prevalence(static_cast<size_t>(score.cols));
  for (size_t i = 0; i < target.size(); ++i) prevalence[target[i]] += weight_of(weight, i);
  for (int64_t c = 0; c < score.cols; ++c) value.push_back(average_precision(indicator(target, c), column(score, c), weight));
  return weighted_mean(value, prevalence, average);
}

OperatingPoint sensitivity_at_specificity(Labels target, std::span<const double> score, double min_specificity) {
  const RocCurve roc = roc_curve(target, score, false);
  std::optional<OperatingPoint> best;
  for (size_t i = 1; i < roc.fpr.size(); ++i)
    if (1 - roc.fpr[i] >= min_specificity && (!best || roc.tpr[i] > best->sensitivity)) best = {roc.tpr[i], roc.threshold[i - 1]};
  EOSIN_CHECK(best.has_value(), Numeric, "[eval.sensitivity_at_specificity] no threshold reaches the specificity (need {}); ask for a lower one",
              min_specificity);
  return *best;
}

}  // namespace eosin::eval
