#include "mil/task.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "mil/class_losses.h"
#include "mil/column_tasks.h"
#include "mil/survival_loss.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::mil {
namespace {

template <class T>
std::vector<T> pick(const std::vector<T>& all, const std::vector<int64_t>& bags) {
  std::vector<T> r;
  for (const int64_t b : bags) r.push_back(all.at(static_cast<size_t>(b)));
  return r;
}

struct ClassConfig {
  std::string loss = "cross_entropy", imbalance = "none";
  double focal_gamma = 2, tau = 1;
  void visit(config::Visitor& v) {
    v("loss", loss,
      "cross_entropy and focal: an output a class, softmax; bernoulli: two classes by one sigmoid (Ilse et al.); multi_label: a sigmoid a "
      "class (DSMIL)",
      config::OneOf{{"cross_entropy", "focal", "bernoulli", "multi_label"}});
    v("focal_gamma", focal_gamma, "of focal", config::Range{0, 10});
    v("imbalance", imbalance, "weights: a bag counts N / (classes * bags of its class); logit_adjustment: tau log(frequency) on the training logits",
      config::OneOf{{"none", "weights", "logit_adjustment"}});
    v("tau", tau, "of logit_adjustment", config::Range{0, 10});
  }
  void validate(config::Problems& p) const {
    const bool softmax = loss == "cross_entropy" || loss == "focal";
    if (imbalance == "logit_adjustment" && !softmax) p.add("imbalance", "logit_adjustment needs loss cross_entropy or focal");
  }
};

class Classes final : public Task {
 public:
  Classes(const ClassConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train) : config_(config), outcomes_(outcomes) {
    EOSIN_CHECK(config.loss != "bernoulli" || outcomes.n_classes == 2, Config, "[mil] task.loss=bernoulli is for two classes (got {})",
                outcomes.n_classes);
    std::vector<double> count(static_cast<size_t>(outcomes.n_classes));
    for (const int64_t y : pick(outcomes.label, train)) count[static_cast<size_t>(y)] += 1;
    for (size_t c = 0; c < count.size() && config.imbalance != "none"; ++c)
      EOSIN_CHECK(count[c] > 0, Data, "[mil] class {} has no training bag, and task.imbalance={} needs its frequency", c, config.imbalance);
    counts_C_ = at::tensor(count, at::kDouble);
    if (config.imbalance == "weights") weights_C_ = (counts_C_.sum() / (static_cast<double>(count.size()) * counts_C_)).to(at::kFloat);
  }

  int64_t n_outputs() const override { return config_.loss == "bernoulli" ? 1 : outcomes_.n_classes; }

  RowLoss loss(const std::vector<int64_t>& bags) const override {
    return [this, labels_B = at::tensor(pick(outcomes_.label, bags), at::kLong)](const Tensor& logits_MC, const Tensor& bag_M) {
      const Tensor labels_M = labels_B.index_select(0, bag_M);
      const Tensor loss_M = of_rows(logits_MC, labels_M);
      return weights_C_.defined() ? loss_M * weights_C_.index_select(0, labels_M).to(loss_M.scalar_type()) : loss_M;
    };
  }

  Tensor answers(const Tensor& logits_BC) const override {
    if (config_.loss == "multi_label") {
      const Tensor p = at_least_float(logits_BC).sigmoid();
      return p / p.sum(1, true).clamp_min(1e-12);
    }
    const Tensor p = predict(logits_BC).prob_BC;
    return config_.loss == "bernoulli" ? at::cat({1 - p, p}, 1) : p;
  }

 private:
  Tensor of_rows(const Tensor& logits_MC, const Tensor& labels_M) const {
    if (config_.loss == "bernoulli") return bernoulli_nll(at_least_float(logits_MC).select(1, 0).sigmoid(), labels_M.to(at::kFloat));
    if (config_.loss == "multi_label") return multi_label_loss(logits_MC, at::one_hot(labels_M, outcomes_.n_classes).to(logits_MC.scalar_type()));
    const Tensor x = config_.imbalance == "logit_adjustment" ? adjust_logits(logits_MC, counts_C_, config_.tau) : logits_MC;
    return config_.loss == "focal" ? focal_loss(x, labels_M, config_.focal_gamma) : cross_entropy(x, labels_M);
  }

  ClassConfig config_;
  const Outcomes& outcomes_;
  Tensor counts_C_, weights_C_;
};

struct OrdinalConfig {
  void visit(config::Visitor&) {}
};

class Ordinal final : public Task {
 public:
  Ordinal(const OrdinalConfig&, const Outcomes& outcomes, const std::vector<int64_t>&) : outcomes_(outcomes) {}
  int64_t n_outputs() const override { return outcomes_.n_classes - 1; }
  RowLoss loss(const std::vector<int64_t>& bags) const override {
    return [labels_B = at::tensor(pick(outcomes_.label, bags), at::kLong)](const Tensor& logits_MK, const Tensor& bag_M) {
      return ordinal_loss(logits_MK, labels_B.index_select(0, bag_M));
    };
  }
  Tensor answers(const Tensor& logits_BK) const override { return ordinal_probabilities(logits_BK); }

 private:
  const Outcomes& outcomes_;
};

struct HazardsConfig {
  int64_t bins = 4;
  std::string loss = "nll";
  double alpha = 0;
  void visit(config::Visitor& v) {
    v("bins", bins, "intervals of time, cut at quantiles of the training bags' events", config::Range{2, 100});
    v("loss", loss, "negative log-likelihood, or MCAT's cross-entropy form of it", config::OneOf{{"nll", "cross_entropy"}});
    v("alpha", alpha, "weight taken from all terms and given to the uncensored; released recipes use 0", config::Range{0, 1});
  }
};

void check_events(const Outcomes& outcomes, const std::vector<int64_t>& train) {
  const auto events = pick(outcomes.event, train);
  EOSIN_CHECK(std::count(events.begin(), events.end(), 1) > 0, Data,
              "[mil] all {} training bags of a split are censored; there is nothing to learn from", train.size());
}

class Hazards final : public Task {
 public:
  Hazards(const HazardsConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train) : config_(config), outcomes_(outcomes) {
    check_events(outcomes, train);
    std::vector<bool> censored;
    for (const int64_t event : pick(outcomes.event, train)) censored.push_back(event == 0);
    bins_ = cut_time_bins(pick(outcomes.time, train), censored, config.bins);
  }
  int64_t n_outputs() const override { return config_.bins; }
  RowLoss loss(const std::vector<int64_t>& bags) const override {
    std::vector<int64_t> bin, censored;
    for (const int64_t b : bags) {
      bin.push_back(bins_.bin_of(outcomes_.time.at(static_cast<size_t>(b))));
      censored.push_back(1 - outcomes_.event.at(static_cast<size_t>(b)));
    }
    const auto of_rows = config_.loss == "nll" ? nll_discrete : ce_discrete;
    return [of_rows, alpha = config_.alpha, bin_B = at::tensor(bin, at::kLong), censored_B = at::tensor(censored, at::kLong)](const Tensor& logits_MK,
                                                                                                                              const Tensor& bag_M) {
      return of_rows(logits_MK, bin_B.index_select(0, bag_M), censored_B.index_select(0, bag_M), DiscreteLoss{alpha});
    };
  }
  Tensor answers(const Tensor& logits_BK) const override { return discrete_hazards(logits_BK).risk_B.unsqueeze(1); }

 private:
  HazardsConfig config_;
  const Outcomes& outcomes_;
  TimeBins bins_;
};

struct CoxConfig {
  std::string ties = "efron";
  void visit(config::Visitor& v) { v("ties", ties, "of events at one time", config::OneOf{{"efron", "breslow"}}); }
};

/// The likelihood compares the bags of a step, so that all of them get the step's loss, whose mean it is; a step needs many bags.
class Cox final : public Task {
 public:
  Cox(const CoxConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train) : config_(config), outcomes_(outcomes) {
    check_events(outcomes, train);
  }
  int64_t n_outputs() const override { return 1; }
  RowLoss loss(const std::vector<int64_t>& bags) const override {
    return [ties = config_.ties, event_B = at::tensor(pick(outcomes_.event, bags), at::kLong).to(at::kBool),
            time_B = at::tensor(pick(outcomes_.time, bags), at::kDouble)](const Tensor& logits_M1, const Tensor& bag_M) {
      CoxOptions options;
      options.ties = ties;
      const Tensor loss = cox_loss(logits_M1.select(1, 0), event_B.index_select(0, bag_M), time_B.index_select(0, bag_M), {}, options);
      return loss.to(logits_M1.scalar_type()).expand({logits_M1.size(0)});
    };
  }
  Tensor answers(const Tensor& logits_B1) const override { return at_least_float(logits_B1); }

 private:
  CoxConfig config_;
  const Outcomes& outcomes_;
};

struct Row {
  config::ConfigRow row;
  data::Outcome outcome;
  std::function<std::unique_ptr<const Task>(const config::Choice&, const Outcomes&, const std::vector<int64_t>&)> fit;
};

template <class TaskType, class Config>
Row row(const char* name, data::Outcome outcome, const char* one_line, const char* source) {
  return {{name, one_line, source, [] { return std::make_unique<config::ConfigOf<Config>>(); }},
          outcome,
          [](const config::Choice& c, const Outcomes& o, const std::vector<int64_t>& train) {
            return std::make_unique<const TaskType>(c.as<Config>(), o, train);
          }};
}

const std::vector<Row>& rows() {
  using enum data::Outcome;
  static const std::vector<Row> table = {
      row<Classes, ClassConfig>("classes", Class, "one class a bag", ""),
      row<Ordinal, OrdinalConfig>("ordinal", Class, "ordered classes as questions 'above c?'", "Cheng et al. 2008"),
      row<Hazards, HazardsConfig>("hazards", Survival, "survival by hazards of discrete times", "Zadeh and Schmid 2021"),
      row<Cox, CoxConfig>("cox", Survival, "survival by Cox's partial likelihood over the bags of a step", "Cox 1972"),
      row<Regression, RegressionConfig>("regression", Numbers, "numbers of one or several columns (targets), unknown ones left out", ""),
      row<MultiLabel, MultiLabelConfig>("multi_label", Flags, "yes or no of one or several columns (targets), unknown ones left out", ""),
  };
  return table;
}

const Row& row_of(const config::Choice& task) {
  const auto it = std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return r.row.name == task.name(); });
  EOSIN_ASSERT(it != rows().end());
  return *it;
}

}  // namespace

const std::vector<config::ConfigRow>& task_table() {
  static const std::vector<config::ConfigRow> table = [] {
    std::vector<config::ConfigRow> list;
    for (const Row& r : rows()) list.push_back(r.row);
    return list;
  }();
  return table;
}

data::Outcome outcome_of(const config::Choice& task) { return row_of(task).outcome; }

std::unique_ptr<const Task> fit_task(const config::Choice& task, const Outcomes& outcomes, const std::vector<int64_t>& train) {
  return row_of(task).fit(task, outcomes, train);
}

}  // namespace eosin::mil
