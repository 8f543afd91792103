#include "eval/conditions.h"

#include "core/base/error.h"
#include "eval/bootstrap.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

/// One metric: the plain statistic first, then those of the conditions.
Json over_conditions(const std::vector<Statistic>& of, const std::vector<ConditionFolds>& conditions, const PooledFolds& plain,
                     const Resampler& resampler) {
  const auto interval = [&](const Statistic& s) {
    return bootstrap_interval(s, static_cast<int64_t>(plain.unit_of.size()), plain.unit_of, resampler);
  };
  std::vector<double> value = {interval(of[0]).estimate};
  Json rows = Json::array();
  for (size_t c = 0; c < conditions.size(); ++c) {
    const Interval d = interval(difference(of[c + 1], of[0]));
    value.push_back(*of[c + 1]({}));
    rows.push_back({{"name", conditions[c].name}, {"value", value.back()}, {"difference", d.estimate}, {"ci_low", d.low}, {"ci_high", d.high}});
  }
  const Interval range = interval(spread(of));
  const auto [low, high] = std::minmax_element(value.begin(), value.end());
  const double mean = std::accumulate(range.replicates.begin(), range.replicates.end(), 0.0) / static_cast<double>(range.replicates.size());
  return {{"plain", value[0]},
          {"min", *low},
          {"max", *high},
          {"amplitude", mean},
          {"amplitude_low", range.low},
          {"amplitude_high", range.high},
          {"conditions", std::move(rows)}};
}

}  // namespace

Json score_conditions(const LabelledSet& set, const std::vector<FoldResult>& plain, const std::vector<ConditionFolds>& conditions,
                      const ScoringConfig& config) {
  const PooledFolds pooled_plain = pooled(set, plain);
  std::vector<std::shared_ptr<const Predictions>> said = {std::make_shared<Predictions>(pooled_plain.all.predictions)};
  for (const ConditionFolds& c : conditions) said.push_back(std::make_shared<Predictions>(pooled(set, c.folds).all.predictions));
  const Resampler resampler = Resampler::drawn(pooled_plain.units, config.bootstrap, static_cast<uint64_t>(config.seed));
  Json rows = Json::array();
  for (const auto& name : fitting(config.metrics, said[0]->kind())) {
    Json row{{"metric", name}};
    try {
      std::vector<Statistic> of;
      for (const auto& p : said) of.push_back(metric(name).make(p));
      row.update(over_conditions(of, conditions, pooled_plain, resampler));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Numeric) throw;
      row["state"] = fmt::format("undefined: {}", e.what());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace eosin::eval
