#include "eval/scored_run.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "eval/run_record.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

using Names = std::vector<std::string>;

double number_of(const CsvTable& table, size_t row, size_t column) {
  const std::string& cell = table.row(row)[column];
  double value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  EOSIN_CHECK(code == std::errc() && end == cell.data() + cell.size() && std::isfinite(value), Data, "[{}] '{}' is no number (got '{}')",
              table.where(row), table.header()[column], cell);
  return value;
}

/// Columns whose names begin so, and what follows.
struct Columns {
  std::vector<size_t> at;
  Names names;
};
Columns beginning(const CsvTable& table, const std::string& prefix) {
  Columns c;
  for (size_t i = 0; i < table.header().size(); ++i)
    if (table.header()[i].starts_with(prefix)) c.at.push_back(i), c.names.push_back(table.header()[i].substr(prefix.size()));
  return c;
}

Matrix numbers_of(const CsvTable& table, const std::vector<size_t>& order, const Columns& columns) {
  Matrix m(static_cast<int64_t>(order.size()), static_cast<int64_t>(columns.at.size()));
  for (size_t i = 0; i < order.size(); ++i)
    for (size_t c = 0; c < columns.at.size(); ++c) m(static_cast<int64_t>(i), static_cast<int64_t>(c)) = number_of(table, order[i], columns.at[c]);
  return m;
}

std::vector<int64_t> positions(const CsvTable& table, const std::vector<size_t>& order, const char* column, const Names& classes) {
  const size_t at = table.column(column);
  std::vector<int64_t> p;
  for (size_t row : order) {
    const auto it = std::find(classes.begin(), classes.end(), table.row(row)[at]);
    EOSIN_CHECK(it != classes.end(), Data, "[{}] '{}' is none of the classes ({})", table.where(row), table.row(row)[at], fmt::join(classes, ", "));
    p.push_back(it - classes.begin());
  }
  return p;
}

std::vector<size_t> by_id(const CsvTable& table, size_t id) {
  std::vector<size_t> order(table.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return table.row(a)[id] < table.row(b)[id]; });
  for (size_t i = 1; i < order.size(); ++i)
    EOSIN_CHECK(table.row(order[i - 1])[id] != table.row(order[i])[id], Data, "[{}] id '{}' was scored twice", table.where(order[i]),
                table.row(order[i])[id]);
  return order;
}

}  // namespace

ScoredRun read_scored_run(const std::string& dir) {
  const RunRecord record = read_run(dir);
  const std::string path = (std::filesystem::path(dir) / "predictions.csv").string();
  EOSIN_CHECK(record.results.is_object() && record.results.contains("metrics") && std::filesystem::exists(path), Io,
              "[compare] '{}' holds no finished evaluation (need results.json and predictions.csv)", dir);
  const CsvTable table = CsvTable::read(path);
  EOSIN_CHECK(table.size() > 0, Data, "[{}] there are no rows", path);
  const bool has_columns = table.find("id") && table.find("group") && (!beginning(table, "p_").at.empty() || !beginning(table, "true_").at.empty());
  EOSIN_CHECK(record.verb == "eval" && has_columns, Data, "[compare] '{}' is a run of {}, not of eval; its predictions are no single test set", dir,
              record.verb);
  ScoredRun run{dir, record.name, {}, {}, {}, {}, {}};
  for (const auto& m : record.results["metrics"])
    if (const auto name = m.value("name", std::string());
        std::any_of(metrics().begin(), metrics().end(), [&](const auto& row) { return row.name == name; }))
      run.metrics.push_back(name);
  const std::vector<size_t> order = by_id(table, table.column("id"));
  for (size_t row : order) run.ids.push_back(table.row(row)[table.column("id")]), run.groups.push_back(table.row(row)[table.column("group")]);
  Predictions& p = run.predictions;
  if (const Columns truth = beginning(table, "true_"); !truth.at.empty()) {
    Columns estimates;
    for (const auto& name : truth.names) estimates.at.push_back(table.column("predicted_" + name));
    run.classes = truth.names;
    p.target.assign(order.size(), 0);
    p.number_NT = numbers_of(table, order, truth);
    p.estimate_NT = numbers_of(table, order, estimates);
    return run;
  }
  const Columns shares = beginning(table, "p_");
  run.classes = shares.names;
  p.num_classes = static_cast<int64_t>(shares.names.size());
  p.target = positions(table, order, "target", shares.names);
  p.pred = positions(table, order, "prediction", shares.names);
  p.prob_NC = numbers_of(table, order, shares);
  return run;
}

}  // namespace eosin::eval
