#include "optim/optimizers.h"

#include "core/base/error.h"

#include <functional>

namespace eosin::optim {
namespace {

/// A row of the table with the functions that read its config.
struct OptimizerRow {
  config::ConfigRow row;
  std::function<std::unique_ptr<Optimizer>(const config::Choice&, std::vector<ParamGroup>)> make;
  std::function<const RatesConfig&(const config::Choice&)> rates;
};

template <class Rule, class Config>
OptimizerRow row(const char* name, const char* one_line, const char* source) {
  return {{name, one_line, source, [] { return std::make_unique<config::ConfigOf<Config>>(); }},
          [](const config::Choice& choice, std::vector<ParamGroup> groups) { return std::make_unique<Rule>(choice.as<Config>(), std::move(groups)); },
          [](const config::Choice& choice) -> const RatesConfig& { return choice.as<Config>().rates; }};
}

const std::vector<OptimizerRow>& rows() {
  static const std::vector<OptimizerRow> table = {
      row<AdamW, AdamWConfig>("adamw", "Adam with decoupled weight decay", "Loshchilov and Hutter 2019, arXiv:1711.05101"),
  };
  return table;
}

const OptimizerRow& row_of(const config::Choice& choice) {
  for (const auto& r : rows())
    if (r.row.name == choice.name()) return r;
  fail(ErrorKind::Internal, "[optim] '{}' is not in the table", choice.name());
}

}  // namespace

const std::vector<config::ConfigRow>& optimizer_table() {
  static const std::vector<config::ConfigRow> table = [] {
    std::vector<config::ConfigRow> all;
    for (const auto& r : rows()) all.push_back(r.row);
    return all;
  }();
  return table;
}

std::unique_ptr<Optimizer> make_optimizer(const config::Choice& choice, std::vector<ParamGroup> groups) {
  return row_of(choice).make(choice, std::move(groups));
}

const RatesConfig& rates_of(const config::Choice& choice) { return row_of(choice).rates(choice); }

Schedule weight_decay_schedule(const RatesConfig& rates, int64_t total_steps) {
  WarmupCosine s;
  s.base = rates.weight_decay, s.final = rates.weight_decay_end.value_or(rates.weight_decay), s.total = total_steps;
  return [s](int64_t step) { return warmup_cosine(s, step); };
}

}  // namespace eosin::optim
