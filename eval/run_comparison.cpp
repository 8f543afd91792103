#include "eval/run_comparison.h"

#include "core/base/error.h"
#include "eval/delong.h"
#include "eval/mcnemar.h"
#include "eval/multiple_tests.h"
#include "eval/scoring.h"

#include <algorithm>
#include <map>
#include <set>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

void check_same_rows(const ScoredRun& a, const ScoredRun& b) {
  EOSIN_CHECK(a.classes == b.classes, Data, "[compare] {} tells {} apart, {} {}", a.dir, fmt::join(a.classes, ", "), b.dir,
              fmt::join(b.classes, ", "));
  const auto [in_a, in_b] = std::mismatch(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end());
  if (in_a != a.ids.end() || in_b != b.ids.end()) {
    const bool of_a = in_b == b.ids.end() || (in_a != a.ids.end() && *in_a < *in_b);
    fail(ErrorKind::Data,
         "[compare] {} and {} were not scored on the same rows: '{}' is in {} alone ({} and {} rows); evaluate both on the same labels", a.dir, b.dir,
         of_a ? *in_a : *in_b, of_a ? a.dir : b.dir, a.ids.size(), b.ids.size());
  }
  for (size_t i = 0; i < a.ids.size(); ++i) {
    EOSIN_CHECK(a.groups[i] == b.groups[i], Data, "[compare] '{}' is of group '{}' in {} and of '{}' in {}", a.ids[i], a.groups[i], a.dir,
                b.groups[i], b.dir);
    const auto row = static_cast<int64_t>(i);
    const Matrix &x = a.predictions.number_NT, &y = b.predictions.number_NT;
    const bool same =
        a.predictions.target[i] == b.predictions.target[i] && (x.cols == 0 || std::equal(x.row(row).begin(), x.row(row).end(), y.row(row).begin()));
    EOSIN_CHECK(same, Data, "[compare] the truth of '{}' differs between {} and {}", a.ids[i], a.dir, b.dir);
  }
}

/// Names that tell the runs apart: their own, else their folders.
std::vector<std::string> names_of(const std::vector<ScoredRun>& runs) {
  std::vector<std::string> names, dirs;
  for (const ScoredRun& run : runs) names.push_back(run.name), dirs.push_back(run.dir);
  return std::set<std::string>(names.begin(), names.end()).size() == names.size() ? names : dirs;
}

/// Metrics that were asked for, else those that every run reports.
std::vector<std::string> metrics_of(const std::vector<ScoredRun>& runs, const ComparisonConfig& config) {
  if (!config.metrics.empty()) return config.metrics;
  std::vector<std::string> common = runs.front().metrics;
  for (const ScoredRun& run : runs)
    std::erase_if(common, [&](const std::string& name) { return std::find(run.metrics.begin(), run.metrics.end(), name) == run.metrics.end(); });
  EOSIN_CHECK(!common.empty(), Config, "[compare] the runs have no metric in common; name some as metrics");
  return common;
}

/// Groups as 0 ... units-1.
struct Units {
  std::vector<int64_t> of_row;
  int64_t count = 0;
};
Units units_of(const ScoredRun& run) {
  std::map<std::string, int64_t> number;
  Units u;
  for (const auto& group : run.groups) u.of_row.push_back(number.emplace(group, static_cast<int64_t>(number.size())).first->second);
  u.count = static_cast<int64_t>(number.size());
  return u;
}

using Shared = std::shared_ptr<const Predictions>;

/// One test of one pair: `say` fills in what it found, or throws where it is undefined.
template <class Say>
Json test_of(const std::string& a, const std::string& b, const std::string& metric, const char* test, Say say) {
  Json row{{"a", a}, {"b", b}, {"metric", metric}, {"test", test}, {"p", nullptr}};
  try {
    say(row);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Numeric) throw;
    row["why"] = e.what();
  }
  return row;
}

void paired_bootstrap(Json& row, const MetricRow& metric, const Shared& a, const Shared& b, const Units& units, const ComparisonConfig& config) {
  const Statistic of_a = metric.make(a), of_b = metric.make(b);
  const Resampler resampler = Resampler::drawn(units.count, config.bootstrap, static_cast<uint64_t>(config.seed));
  const Interval r = bootstrap_interval(difference(of_a, of_b), static_cast<int64_t>(a->target.size()), units.of_row, resampler);
  row["value_a"] = *of_a({}), row["value_b"] = *of_b({});
  row["difference"] = r.estimate, row["ci_low"] = r.low, row["ci_high"] = r.high;
  const auto above = std::count_if(r.replicates.begin(), r.replicates.end(), [](double d) { return d >= 0; });
  const auto below = std::count_if(r.replicates.begin(), r.replicates.end(), [](double d) { return d <= 0; });
  row["p"] = std::min(1.0, 2 * static_cast<double>(1 + std::min(above, below)) / static_cast<double>(1 + r.replicates.size()));
  row["undefined"] = r.undefined;
}

void delong_of_two(Json& row, const Predictions& a, const Predictions& b) {
  const int64_t n = a.prob_NC.rows;
  Matrix score(2, n);
  for (int64_t i = 0; i < n; ++i) score(0, i) = a.prob_NC(i, 1), score(1, i) = b.prob_NC(i, 1);
  const DeLong areas = delong(a.target, score);
  const TestResult test = delong_test(areas);
  row["value_a"] = areas.auroc[0], row["value_b"] = areas.auroc[1];
  row["difference"] = areas.auroc[0] - areas.auroc[1];
  row["statistic"] = test.statistic, row["p"] = test.p_value;
}

void mcnemar_of_two(Json& row, const Predictions& a, const Predictions& b) {
  const PairedHits hits = paired_hits(a.target, a.pred, b.pred);
  const McNemarForm form = mcnemar_form(hits);
  const TestResult test = mcnemar(hits, form);
  row["test"] = form == McNemarForm::Exact ? "mcnemar_exact" : "mcnemar_corrected";
  row["difference"] = static_cast<double>(hits.only_a - hits.only_b) / static_cast<double>(a.target.size());
  row["only_a"] = hits.only_a, row["only_b"] = hits.only_b;
  row["statistic"] = test.statistic, row["p"] = test.p_value;
}

/// Holm over the pairs of one metric and test (McNemar's two forms are one).
void adjust(std::vector<Json>& rows) {
  std::map<std::pair<std::string, std::string>, std::vector<size_t>> families;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto test = rows[i]["test"].get<std::string>();
    if (!rows[i]["p"].is_null()) families[{rows[i]["metric"].get<std::string>(), test.substr(0, test.find('_'))}].push_back(i);
  }
  for (const auto& [key, members] : families) {
    std::vector<double> p;
    for (size_t i : members) p.push_back(rows[i]["p"].get<double>());
    const std::vector<double> adjusted = holm(p);
    for (size_t k = 0; k < members.size(); ++k) rows[members[k]]["p_adjusted"] = adjusted[k], rows[members[k]]["tests"] = members.size();
  }
}

}  // namespace

void ComparisonConfig::visit(config::Visitor& v) {
  v("metrics", metrics, "names of `eosin list metric`; empty: all that every run reports", config::Length{0, 100});
  v("bootstrap", bootstrap, "resamples of the groups", config::Range{2, 1e6});
  v("seed", seed, "of the resamples", config::Range{0, 1e18});
}

void ComparisonConfig::validate(config::Problems& p) const { check_metrics(metrics, p); }

Json compare_runs(const std::vector<ScoredRun>& runs, const ComparisonConfig& config) {
  EOSIN_CHECK(runs.size() >= 2, Config, "[compare] need at least two runs (got {})", runs.size());
  for (size_t k = 1; k < runs.size(); ++k) check_same_rows(runs[0], runs[k]);
  const std::vector<std::string> names = fitting(metrics_of(runs, config), runs[0].predictions.kind());
  const std::vector<std::string> called = names_of(runs);
  const Units units = units_of(runs[0]);
  const bool classes = runs[0].predictions.num_classes > 0;
  std::vector<Shared> said;
  for (const ScoredRun& run : runs) said.push_back(std::make_shared<Predictions>(run.predictions));
  std::vector<Json> rows;
  for (const auto& name : names)
    for (size_t i = 0; i < runs.size(); ++i)
      for (size_t j = i + 1; j < runs.size(); ++j) {
        rows.push_back(test_of(called[i], called[j], name, "paired_bootstrap",
                               [&](Json& row) { paired_bootstrap(row, metric(name), said[i], said[j], units, config); }));
        if (classes && name == "accuracy")
          rows.push_back(test_of(called[i], called[j], name, "mcnemar", [&](Json& row) { mcnemar_of_two(row, *said[i], *said[j]); }));
        if (name == "auroc_ovr_macro" && runs[i].predictions.num_classes == 2)
          rows.push_back(test_of(called[i], called[j], name, "delong", [&](Json& row) { delong_of_two(row, *said[i], *said[j]); }));
      }
  adjust(rows);
  Json result{{"schema", "eosin-comparison-1"}, {"runs", Json::array()}, {"rows", runs[0].ids.size()}, {"groups", units.count},
              {"bootstrap", config.bootstrap},  {"seed", config.seed},   {"comparisons", rows},        {"notes", Json::array()}};
  for (size_t i = 0; i < runs.size(); ++i) result["runs"].push_back({{"name", called[i]}, {"dir", runs[i].dir}});
  if (classes && units.count < static_cast<int64_t>(runs[0].ids.size()))
    result["notes"].push_back("DeLong's and McNemar's tests take rows as independent; the bootstrap resamples whole groups.");
  return result;
}

}  // namespace eosin::eval
