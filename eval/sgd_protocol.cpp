#include "eval/sgd_protocol.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "data/sampler.h"
#include "eval/classification.h"
#include "eval/one_thread.h"
#include "eval/rows.h"
#include "eval/split.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

int64_t classes_of(const LabelledSet& set) { return static_cast<int64_t>(set.classes.size()); }

/// Columns of a row that heads see.
struct Input {
  std::string name;
  int64_t begin, width;
  Tensor of(const Tensor& x_ND) const { return x_ND.narrow(1, begin, width).to(at::kFloat); }
};

/// Cheap and dear ones alternate, so that threads share them evenly.
std::vector<Input> inputs_of(const std::string& layout, int64_t width) {
  if (layout == "whole") return {{"whole", 0, width}};
  EOSIN_CHECK(width % 5 == 0, Data,
              "[eval.linear_sgd] features of width {} are not of four class tokens and a mean (need a multiple of 5); embed with pooling=last4",
              width);
  const int64_t d = width / 5;
  return {{"cls", 3 * d, d}, {"last4_mean_patch", 0, 5 * d}, {"cls_mean_patch", 3 * d, 2 * d}, {"last4", 0, 4 * d}};
}

/// Training and validation rows inside of the training rows.
struct Inner {
  std::vector<int64_t> train, val;
  std::string words;
};
Inner inner_split(const SgdProtocol& p, const LabelledSet& set) {
  Inner inner;
  const auto is_val = [&](size_t i) { return !set.part.empty() && set.part[i] == static_cast<int64_t>(Part::Val); };
  size_t val = 0;
  for (size_t i = 0; i < set.part.size(); ++i) val += is_val(i);
  if (val > 0 && val < set.ids.size()) {
    for (size_t i = 0; i < set.ids.size(); ++i) (is_val(i) ? inner.val : inner.train).push_back(static_cast<int64_t>(i));
    inner.words = "accuracy on the validation rows";
    return inner;
  }
  const Folds folds = group_folds(set.target, set.group, classes_of(set), p.inner_folds);
  for (size_t i = 0; i < folds.fold.size(); ++i) (folds.fold[i] == 0 ? inner.val : inner.train).push_back(static_cast<int64_t>(i));
  inner.words = fmt::format("accuracy on one of {} folds of the training groups", p.inner_folds);
  return inner;
}

/// Heads of one input at all rates, one below the other.
struct Heads {
  Tensor weight_RD, bias_R;  // R = rates * classes

  /// Logits of one rate.
  Tensor logits(const Tensor& x_ND, int64_t rate, int64_t classes) const {
    return at::addmm(bias_R.narrow(0, rate * classes, classes), x_ND, weight_RD.narrow(0, rate * classes, classes).t());
  }
};

Heads train_heads(const SgdProtocol& p, const std::string& name, const Tensor& x_ND, const Tensor& target_N, int64_t classes) {
  const auto rates = static_cast<int64_t>(p.rates.size());
  Heads h{at::empty({rates * classes, x_ND.size(1)}, at::kFloat), at::zeros({rates * classes}, at::kFloat)};
  nn::init_normal(h.weight_RD, 0.01, static_cast<uint64_t>(p.start_seed), "linear_sgd." + name);
  const Tensor rate_R1 =
      (at::tensor(p.rates, at::kDouble) * (static_cast<double>(p.batch_size) / 256)).to(at::kFloat).repeat_interleave(classes).unsqueeze(1);
  Tensor weight_speed = at::zeros_like(h.weight_RD), bias_speed = at::zeros_like(h.bias_R);
  const Tensor wanted_NC = at::one_hot(target_N, classes).to(at::kFloat);
  const auto n = static_cast<uint64_t>(x_ND.size(0)), batch = static_cast<uint64_t>(p.batch_size);
  std::vector<int64_t> rows(static_cast<size_t>(batch));
  std::optional<data::Permutation> order;
  for (uint64_t t = 0, seen = 0; t < static_cast<uint64_t>(p.iterations); ++t) {
    for (int64_t& row : rows) {
      if (seen % n == 0) order.emplace(n, static_cast<uint64_t>(p.start_seed), seen / n);
      row = static_cast<int64_t>((*order)(seen++ % n));
    }
    const Tensor chosen = at::tensor(rows, at::kLong), x = x_ND.index_select(0, chosen);
    const Tensor logits = at::addmm(h.bias_R, x, h.weight_RD.t()).view({p.batch_size, rates, classes});
    const Tensor error = (at::softmax(logits, 2) - wanted_NC.index_select(0, chosen).unsqueeze(1)).div_(static_cast<double>(p.batch_size)).flatten(1);
    weight_speed.mul_(0.9).add_(error.t().mm(x));
    bias_speed.mul_(0.9).add_(error.sum(0));
    const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(t) / static_cast<double>(p.iterations)));
    h.weight_RD.sub_(weight_speed * (rate_R1 * cosine));
    h.bias_R.sub_(bias_speed * (rate_R1.squeeze(1) * cosine));
  }
  return h;
}

Matrix probabilities(const Tensor& logits_NC) {
  const Tensor p = at::softmax(logits_NC.to(at::kDouble), 1).contiguous();
  Matrix m(p.size(0), p.size(1));
  std::copy_n(p.const_data_ptr<double>(), p.numel(), m.values.begin());
  return m;
}

/// What one input's heads came to.
struct Trained {
  Heads heads;
  std::vector<double> accuracy;  // on the validation rows, of each rate; nothing for a head that diverged
};

}  // namespace

void SgdProtocol::visit(config::Visitor& v) {
  v("inputs", inputs,
    "whole: heads see all of a row; last4: one or four class tokens, with and without the mean of the patches (embed pooling=last4)",
    config::OneOf{{"whole", "last4"}});
  v("rates", rates, "learning rates for 256 rows a step", config::Range{0, 1e6, config::kOpenLow}, config::Length{1, 1000});
  v("iterations", iterations, "steps", config::Range{1, 1e9});
  v("batch_size", batch_size, "rows of a step", config::Range{1, 1e6});
  v("inner_folds", inner_folds, "folds of the training groups, of which one chooses the head where no rows are of part val", config::Range{2, 100});
  v("start_seed", start_seed, "of first weights and order of the rows", config::Range{0, 1e18});
}

ProtocolResult run_sgd(const SgdProtocol& p, const LabelledSet& train, const LabelledSet& test) {
  const RowReader checked(train.features_ND, {}, "eval.linear_sgd"), checked_test(test.features_ND, {}, "eval.linear_sgd");
  const std::vector<Input> inputs = inputs_of(p.inputs, train.features_ND.size(1));
  const Inner inner = inner_split(p, train);
  const LabelledSet fitted = train.rows(inner.train), held = train.rows(inner.val);
  const int64_t classes = classes_of(train);
  confusion(fitted.target, fitted.target, classes);  // checks
  const Tensor target_N = at::tensor(fitted.target, at::kLong);
  std::vector<Trained> all(inputs.size());
  const auto fit = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Input& input = inputs[static_cast<size_t>(i)];
      Trained& t = all[static_cast<size_t>(i)];
      t.heads = train_heads(p, input.name, input.of(fitted.features_ND), target_N, classes);
      const Tensor x = input.of(held.features_ND);
      for (size_t r = 0; r < p.rates.size(); ++r) {
        const Tensor logits = t.heads.logits(x, static_cast<int64_t>(r), classes);
        const bool finite = logits.isfinite().all().item<bool>();
        t.accuracy.push_back(finite ? accuracy(held.target, argmax_rows(probabilities(logits)), classes) : -1);
      }
    }
  };
  if (inputs.size() > 1) {
    at::parallel_for(0, static_cast<int64_t>(inputs.size()), 1, fit);
  } else {
    const OneThread guard;  // inside of parallel_for every product runs on one thread
    fit(0, 1);
  }
  size_t best = 0, rate = 0;
  Json tried = Json::object();
  for (size_t i = 0; i < all.size(); ++i) {
    const auto top = static_cast<size_t>(argmax(all[i].accuracy));
    const double gain = all[i].accuracy[top] - all[best].accuracy[rate];
    if (i == 0 || gain > 0 || (gain == 0 && inputs[i].width < inputs[best].width)) best = i, rate = top;
    Json& of_input = tried[inputs[i].name] = Json::array();
    for (double a : all[i].accuracy) of_input.push_back(a < 0 ? Json() : Json(a));
  }
  EOSIN_CHECK(all[best].accuracy[rate] >= 0, Numeric, "[eval.linear_sgd] every head diverged; use smaller protocol.rates (got {} and above)",
              *std::min_element(p.rates.begin(), p.rates.end()));
  const OneThread guard;
  const auto predicted = [&](const LabelledSet& set) {
    return probabilities(all[best].heads.logits(inputs[best].of(set.features_ND), static_cast<int64_t>(rate), classes));
  };
  Matrix prob = predicted(test);
  std::vector<int64_t> pred = argmax_rows(prob);
  Json result{{"input", inputs[best].name},
              {"rate", p.rates[rate]},
              {"chosen_by", inner.words},
              {"validation_rows", held.ids.size()},
              {"validation_accuracy", all[best].accuracy[rate]},
              {"train_accuracy", accuracy(fitted.target, argmax_rows(predicted(fitted)), classes)},
              {"iterations", p.iterations},
              {"validation_accuracy_by_rate", std::move(tried)}};
  return {{classes, test.target, std::move(pred), std::move(prob)}, std::move(result)};
}

}  // namespace eosin::eval
