#include "eval/pooled_folds.h"

#include <map>

namespace eosin::eval {
namespace {

void append(Matrix& into, const Matrix& from) {
  into.cols = from.cols;
  into.rows += from.rows;
  into.values.insert(into.values.end(), from.values.begin(), from.values.end());
}

ProtocolResult joined(const std::vector<FoldResult>& folds) {
  ProtocolResult all;
  Predictions& into = all.predictions;
  into.num_classes = folds.front().result.predictions.num_classes;
  into.flags = folds.front().result.predictions.flags;
  for (const RowMeasure& m : folds.front().result.measures) all.measures.push_back({m.name, {}, {}});
  for (const FoldResult& f : folds) {
    const Predictions& p = f.result.predictions;
    into.target.insert(into.target.end(), p.target.begin(), p.target.end());
    into.pred.insert(into.pred.end(), p.pred.begin(), p.pred.end());
    append(into.prob_NC, p.prob_NC);
    append(into.number_NT, p.number_NT);
    append(into.estimate_NT, p.estimate_NT);
    into.time.insert(into.time.end(), p.time.begin(), p.time.end());
    into.risk.insert(into.risk.end(), p.risk.begin(), p.risk.end());
    for (size_t m = 0; m < all.measures.size(); ++m) {
      const auto& value = f.result.measures[m].value;
      all.measures[m].value.insert(all.measures[m].value.end(), value.begin(), value.end());
      const auto& per = f.result.measures[m].per;
      all.measures[m].per.insert(all.measures[m].per.end(), per.begin(), per.end());
    }
  }
  return all;
}

}  // namespace

PooledFolds pooled(const LabelledSet& set, const std::vector<FoldResult>& folds) {
  PooledFolds p{joined(folds), {}, 0};
  std::map<int64_t, int64_t> number;
  for (const FoldResult& f : folds)
    for (int64_t row : f.rows) p.unit_of.push_back(number.emplace(set.group[row], static_cast<int64_t>(number.size())).first->second);
  p.units = static_cast<int64_t>(number.size());
  return p;
}

}  // namespace eosin::eval
