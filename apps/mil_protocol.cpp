#include "apps/mil_protocol.h"

#include "core/base/error.h"
#include "eval/classification.h"
#include "eval/concordance.h"
#include "eval/ranking.h"
#include "eval/threshold.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace eosin::apps {
namespace {

eval::Matrix matrix_of(const Tensor& x_MC) {
  const Tensor x = x_MC.to(at::kDouble).contiguous();
  eval::Matrix m(x.size(0), x.size(1));
  std::copy_n(x.const_data_ptr<double>(), x.numel(), m.values.begin());
  return m;
}

template <class T>
std::vector<T> pick(const std::vector<T>& all, const std::vector<int64_t>& rows) {
  std::vector<T> r;
  for (const int64_t i : rows) r.push_back(all[static_cast<size_t>(i)]);
  return r;
}

std::vector<double> column(const Tensor& x_MC, int64_t c) {
  const Tensor x = x_MC.select(1, c).to(at::kDouble).contiguous();
  return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
}

double accuracy_at_best_threshold(const std::vector<int64_t>& target, const Tensor& prob_MC) {
  if (prob_MC.size(1) != 2) return eval::accuracy(target, eval::argmax_rows(matrix_of(prob_MC)), prob_MC.size(1));
  const auto score = column(prob_MC, 1);
  const double threshold = eval::youden_threshold(target, score);
  std::vector<int64_t> pred;
  for (const double s : score) pred.push_back(s >= threshold);
  return eval::accuracy(target, pred, 2);
}

mil::Judge judge_of(const std::string& select, const MilInputs& in) {
  const mil::Outcomes& o = in.outcomes;
  if (select == "val_auroc") return [&o](const Tensor& a, const auto& bags) { return eval::auroc_ovr(pick(o.label, bags), matrix_of(a)).value; };
  if (select == "val_accuracy") return [&o](const Tensor& a, const auto& bags) { return accuracy_at_best_threshold(pick(o.label, bags), a); };
  if (select == "val_balanced_accuracy")
    return [&o](const Tensor& a, const auto& bags) {
      return eval::balanced_accuracy(eval::confusion(pick(o.label, bags), eval::argmax_rows(matrix_of(a)), o.n_classes));
    };
  EOSIN_ASSERT(select == "val_c_index");
  return [&o](const Tensor& a, const auto& bags) {
    const auto time = pick(o.time, bags);
    const auto event = pick(o.event, bags);
    return eval::harrell_c({time, event}, column(a, 0)).value;
  };
}

mil::Selection selection_of(const std::string& select, const MilInputs& in) {
  mil::Selection s;
  s.by = select == "last" ? mil::Selection::By::Last : select == "val_loss" ? mil::Selection::By::Loss : mil::Selection::By::Answers;
  if (s.by == mil::Selection::By::Answers) s.judge = judge_of(select, in);
  return s;
}

/// The judges are undefined without some class, or without a pair to compare.
void check_judge(const std::string& select, const MilInputs& in, const mil::Fold& fold) {
  if (select == "val_c_index") {
    const auto event = pick(in.outcomes.event, fold.val);
    EOSIN_CHECK(std::count(event.begin(), event.end(), 1) > 0 && event.size() >= 2, Data,
                "[mil] {}: nobody of the {} validation bags has an event, and train.select={} compares them; use val_loss", fold.name, event.size(),
                select);
  }
  if (select != "val_auroc" && select != "val_accuracy") return;
  const auto labels = pick(in.outcomes.label, fold.val);
  const std::set<int64_t> present(labels.begin(), labels.end());
  EOSIN_CHECK(static_cast<int64_t>(present.size()) == in.outcomes.n_classes, Data,
              "[mil] {}: {} of {} classes are among its {} validation bags, and {} needs all of them; use train.select=val_loss or fewer folds",
              fold.name, present.size(), in.outcomes.n_classes, labels.size(), select);
}

std::shared_ptr<const mil::Task> fitted(const MilConfig& c, const MilInputs& in, const mil::Fold& fold) {
  try {
    return mil::fit_task(c.task, in.outcomes, fold.train);
  } catch (const Error& e) {
    fail(e.kind(), "{} ({})", e.what(), fold.name);
  }
}

std::vector<int64_t> all_bags(const MilInputs& in) {
  std::vector<int64_t> all(in.set.ids.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// How the models of one protocol learn and are chosen.
struct Rules {
  std::string select;
  int64_t patience, min_epochs;
  mil::Sampling sampling;
};

/// A fold whose parts are known.
void fit_fold(mil::Fold& fold, const Rules& rules, bool standardize_all, const MilConfig& c, const MilInputs& in) {
  fold.task = fitted(c, in, fold);
  if (standardize_all || c.standardize == "train") fold.scale = data::fit_scale(in.bags->summaries(), standardize_all ? all_bags(in) : fold.train);
  fold.sampling = rules.sampling;
  fold.selection = selection_of(rules.select, in);
  fold.selection.patience = rules.patience, fold.selection.min_epochs = rules.min_epochs;
  check_judge(rules.select, in, fold);
}

Arena honest(const MilConfig& c, const MilInputs& in, const eval::SplitPlan& plan) {
  Arena arena{"honest", in.outcomes.n_classes == 2 ? c.threshold : "half", {}, {}};
  const mil::Sampling sampling = c.train.sampling == "natural" ? mil::Sampling::Natural : mil::Sampling::ClassBalanced;
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const eval::Parts& parts = plan.parts[s];
    mil::Fold& fold = arena.folds.emplace_back();
    fold.name = plan.name(s);
    fold.train = parts.train, fold.val = parts.val, fold.test = parts.test;
    fit_fold(fold, {c.train.select, c.train.patience, c.train.min_epochs, sampling}, false, c, in);
  }
  return arena;
}

Arena of_paper(const PaperProtocol& p, const MilConfig& c, const MilInputs& in, const eval::SplitPlan& plan) {
  Arena arena{p.name, p.threshold, p.differences, {}};
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const eval::Parts& parts = plan.parts[s];
    mil::Fold& fold = arena.folds.emplace_back();
    fold.name = plan.name(s);
    fold.train = parts.train, fold.val = parts.val, fold.test = parts.test;
    EOSIN_CHECK(p.val_is_test || p.select == "last" || !fold.val.empty(), Data, "[mil] {} has no validation bags, and protocol {} chooses by them",
                fold.name, p.name);
    if (p.val_is_test) fold.train.insert(fold.train.end(), parts.val.begin(), parts.val.end()), fold.val = parts.test;
    fit_fold(fold, {p.select, p.patience, p.min_epochs, p.sampling}, p.standardize_all, c, in);
  }
  return arena;
}

}  // namespace

const std::vector<PaperProtocol>& paper_protocols() {
  static const char* kNoValidation = "validation is the reported fold, and what would validate trains";
  static const std::vector<PaperProtocol> table = {
      {.name = "mhim_c16",
       .one_line = "epoch with the best AUROC and threshold of the reported fold",
       .source = "MHIM-MIL, DTFD-MIL, R2T-MIL on CAMELYON16",
       .select = "val_auroc",
       .threshold = "validation",
       .differences = {kNoValidation, "the epoch with the best AUROC of the reported fold", "the threshold that is best on the reported fold"}},
      {.name = "dsmil_classic",
       .one_line = "epoch with the best accuracy at the best threshold of the reported fold",
       .source = "DSMIL on the classic sets",
       .select = "val_accuracy",
       .threshold = "validation",
       .differences = {kNoValidation, "the epoch with the best accuracy of the reported fold", "the threshold that is best on the reported fold"}},
      {.name = "ilse_classic",
       .one_line = "last epoch, features standardised over the whole set",
       .source = "Ilse et al. 2018 on the classic sets",
       .select = "last",
       .threshold = "half",
       .standardize_all = true,
       .differences = {"no validation: what would validate trains", "features standardised over all bags, the reported fold among them"}},
      {.name = "clam_mc10",
       .one_line = "ten random splits 80/10/10, balanced sampling, least validation loss, no stop before epoch 50",
       .source = "CLAM, Lu et al. 2021",
       .select = "val_loss",
       .threshold = "half",
       .val_is_test = false,
       .patience = 20,
       .min_epochs = 52,  // its loop counts epochs from 0 and stops beyond 50
       .sampling = mil::Sampling::ClassBalanced,
       .splits = "10x80/10/10",
       .differences = {"bags are drawn with replacement, every class alike",
                       "a model stops after 20 epochs without a lower validation loss, not before epoch 50",
                       "the most probable class is predicted (threshold 0.5)",
                       "a patient may test in several of the ten splits, or in none: their deviation is not that of ten cohorts"}},
  };
  return table;
}

std::vector<Arena> make_arenas(const MilConfig& config, const MilInputs& inputs, const eval::SplitPlan& plan) {
  std::vector<Arena> arenas;
  arenas.push_back(honest(config, inputs, plan));
  for (const PaperProtocol& p : paper_protocols())
    if (p.name == config.protocol) arenas.push_back(of_paper(p, config, inputs, plan));
  return arenas;
}

std::optional<double> threshold_of(const Arena& arena, const MilInputs& inputs, const mil::Fold& fold, const Tensor& val_MC) {
  if (inputs.outcomes.n_classes != 2) return std::nullopt;
  const auto labels = pick(inputs.outcomes.label, fold.val);
  const bool both = std::count(labels.begin(), labels.end(), 0) > 0 && std::count(labels.begin(), labels.end(), 1) > 0;
  return arena.threshold == "validation" && both ? eval::youden_threshold(labels, column(val_MC, 1)) : 0.5;
}

}  // namespace eosin::apps
