#include "data/quotas.h"

#include "core/base/error.h"
#include "core/base/log.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <unordered_map>

namespace eosin::data {
namespace {

constexpr uint64_t kRoundPerGroup = 100, kShortestRound = 1000;

/// The factor in "NAME=FACTOR"; a name may hold '='.
double factor_in(const std::string& word, size_t at) {
  const std::string text = at == std::string::npos ? "" : word.substr(at + 1);
  char* end = nullptr;
  const double factor = std::strtod(text.c_str(), &end);
  EOSIN_CHECK(!text.empty() && *end == '\0' && std::isfinite(factor) && factor >= 0, Config,
              "[data.order.weights] '{}' is no weight of a group (need NAME=FACTOR with a factor of 0 or more)", word);
  return factor;
}

std::vector<double> factors_of(const QuotaConfig& config, const std::vector<TileGroup>& groups) {
  std::unordered_map<std::string, size_t> place;
  std::vector<std::string> names;
  for (size_t g = 0; g < groups.size(); ++g) place.emplace(groups[g].name, g), names.push_back(groups[g].name);
  std::vector<double> factors(groups.size(), 1);
  std::vector<bool> given(groups.size());
  for (const std::string& word : config.weights) {
    const size_t at = word.rfind('=');
    const double factor = factor_in(word, at);
    const std::string name = word.substr(0, at);
    const auto found = place.find(name);
    const auto near = found == place.end() ? config::nearest(name, names) : std::nullopt;
    EOSIN_CHECK(found != place.end(), Config, "[data.order.weights] there is no {} '{}'{}", config.by, name,
                near ? fmt::format("; did you mean '{}'?", *near) : "");
    EOSIN_CHECK(!given[found->second], Config, "[data.order.weights] the {} '{}' is weighted twice", config.by, name);
    given[found->second] = true;
    factors[found->second] = factor;
  }
  return factors;
}

double size_of(const QuotaConfig& config, const TileGroup& group) {
  const auto n = static_cast<double>(group.tiles.size());
  return std::pow(config.cap > 0 ? std::min(n, static_cast<double>(config.cap)) : n, config.temperature);
}

/// Whole numbers in proportion to the weights, with the given sum.
std::vector<uint64_t> apportion(const std::vector<double>& weights, uint64_t total) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<uint64_t> numbers;
  std::vector<double> rests;
  for (const double w : weights) {
    const double exact = static_cast<double>(total) * (w / sum);
    numbers.push_back(static_cast<uint64_t>(exact));
    rests.push_back(w > 0 ? exact - std::floor(exact) : -1);
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rests[a] > rests[b]; });
  const uint64_t given = std::accumulate(numbers.begin(), numbers.end(), uint64_t{0});
  for (size_t i = 0; given + i < total; ++i) ++numbers[order[i % order.size()]];
  return numbers;
}

}  // namespace

std::vector<GroupQuota> make_quotas(const QuotaConfig& config, const std::vector<TileGroup>& groups) {
  std::vector<double> weights = factors_of(config, groups);
  uint64_t with_weight = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    weights[g] *= groups[g].tiles.size() > 0 ? size_of(config, groups[g]) : 0;
    with_weight += weights[g] > 0;
  }
  EOSIN_CHECK(with_weight > 0, Config, "[data.order] no {} with tiles has a weight above 0", config.by);
  const uint64_t round = config.round > 0 ? static_cast<uint64_t>(config.round) : std::max(kShortestRound, kRoundPerGroup * with_weight);
  const auto numbers = apportion(weights, round);

  std::vector<GroupQuota> quotas;
  uint64_t left_out = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    quotas.push_back({groups[g].name, groups[g].tiles.size(), numbers[g]});
    left_out += weights[g] > 0 && numbers[g] == 0;
  }
  if (left_out > 0)
    log::warn("[data.order] {} of {} groups are so small that none of their tiles comes in a round of {}; raise data.order.round", left_out,
              with_weight, round);
  return quotas;
}

}  // namespace eosin::data
