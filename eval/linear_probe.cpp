#include "eval/linear_probe.h"

#include "core/base/error.h"
#include "eval/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.linear_probe";
constexpr int64_t kBlock = 128;                     // rows of one product
constexpr int64_t kMostParts = 32;                  // partial gradients: fixed, so that their sum is the same for any thread count
constexpr int64_t kCopyLimit = int64_t{256} << 17;  // elements of a float64 copy that is kept (256 MiB)

/// Turns logits into probabilities in place; returns the cross-entropy of `target`.
double softmax(std::span<double> logits, int64_t target) {
  const double top = *std::max_element(logits.begin(), logits.end());
  const double own = logits[target] - top;
  double sum = 0;
  for (double& z : logits) sum += z = std::exp(z - top);
  for (double& z : logits) z /= sum;
  return std::log(sum) - own;
}

/// The same for one logit z and P(1) = 1 / (1 + exp(-z)).
double sigmoid(double& z, int64_t target) {
  const double loss = std::max(z, 0.0) - z * static_cast<double>(target) + std::log1p(std::exp(-std::abs(z)));
  z = z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
  return loss;
}

/// logits += x w^T + intercept for a block of rows.
void logits_of(const Tensor& x, const double* w, const double* intercept, int64_t rows_of_w, Matrix& logits) {
  const int64_t dim = x.size(1);
  for (int64_t i = 0; i < logits.rows; ++i) std::copy(intercept, intercept + rows_of_w, logits.row(i).begin());
  multiply_add(x.size(0), rows_of_w, dim, {x.const_data_ptr<double>(), dim, 1}, {w, 1, dim}, logits.values.data(), rows_of_w);
}

/// Data term: sum_i weight_i CE_i and its gradient with respect to (W, intercept), laid out one after the other.
class CrossEntropy {
 public:
  CrossEntropy(const RowReader& rows, Labels target, std::vector<double> weight, int64_t outputs, bool fit_intercept)
      : rows_(rows), target_(target), weight_(std::move(weight)), outputs_(outputs), fit_intercept_(fit_intercept) {
    if (rows.rows() * rows.dim() <= kCopyLimit) copy_ = rows.read(0, rows.rows());
    blocks_ = (rows.rows() + kBlock - 1) / kBlock;
    parts_ = std::min(blocks_, kMostParts);
  }
  int64_t coefficients() const { return outputs_ * rows_.dim(); }
  int64_t variables() const { return coefficients() + outputs_; }

  double operator()(std::span<const double> x, std::span<double> gradient) const {
    std::vector<double> loss(static_cast<size_t>(parts_));
    std::vector<std::vector<double>> partial(static_cast<size_t>(parts_));
    at::parallel_for(0, parts_, 1, [&](int64_t first, int64_t last) {
      for (int64_t p = first; p < last; ++p) {
        partial[p].assign(static_cast<size_t>(variables()), 0.0);
        for (int64_t b = p * blocks_ / parts_; b < (p + 1) * blocks_ / parts_; ++b) loss[p] += add_block(b, x, partial[p]);
      }
    });
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (const auto& part : partial)
      for (size_t i = 0; i < part.size(); ++i) gradient[i] += part[i];
    if (!fit_intercept_) std::fill(gradient.begin() + coefficients(), gradient.end(), 0.0);
    return std::accumulate(loss.begin(), loss.end(), 0.0);
  }

 private:
  double add_block(int64_t block, std::span<const double> x, std::vector<double>& gradient) const {
    const int64_t begin = block * kBlock, end = std::min(begin + kBlock, rows_.rows()), dim = rows_.dim();
    const Tensor features = copy_.defined() ? copy_.slice(0, begin, end) : rows_.read(begin, end);
    Matrix residual(end - begin, outputs_);
    logits_of(features, x.data(), x.data() + coefficients(), outputs_, residual);
    double loss = 0;
    for (int64_t i = 0; i < residual.rows; ++i) {
      const auto row = residual.row(i);
      const int64_t t = target_[begin + i];
      const double w = weight_[begin + i];
      loss += w * (outputs_ == 1 ? sigmoid(row[0], t) : softmax(row, t));
      if (outputs_ == 1)
        row[0] -= static_cast<double>(t);
      else
        row[t] -= 1;
      for (int64_t c = 0; c < outputs_; ++c) gradient[coefficients() + c] += row[c] *= w;
    }
    multiply_add(outputs_, dim, residual.rows, {residual.values.data(), 1, outputs_}, {features.const_data_ptr<double>(), dim, 1}, gradient.data(),
                 dim);
    return loss;
  }

  const RowReader& rows_;
  Labels target_;
  std::vector<double> weight_;
  int64_t outputs_;
  bool fit_intercept_;
  Tensor copy_;
  int64_t blocks_ = 0, parts_ = 0;
};

double norm(std::span<const double> v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }

std::vector<double> class_counts(Labels target, int64_t num_classes) {
  std::vector<double> count(static_cast<size_t>(num_classes));
  for (int64_t t : target) count[t] += 1;
  for (int64_t c = 0; c < num_classes; ++c)
    EOSIN_CHECK(count[c] > 0, Data, "[{}] class {} has no training sample (got {} of {} classes; need every one); leave the class out", kWhere, c,
                num_classes - std::count(count.begin(), count.end(), 0.0), num_classes);
  return count;
}

LbfgsResult minimize_squared(const CrossEntropy& loss, double C, std::vector<double> start, const LbfgsOptions& solver) {
  const size_t coefficients = static_cast<size_t>(loss.coefficients());
  const auto objective = [&](std::span<const double> x, std::span<double> g) {
    double value = C * loss(x, g), square = 0;
    for (double& v : g) v *= C;
    for (size_t i = 0; i < coefficients; ++i) square += x[i] * x[i], g[i] += x[i];
    return value + 0.5 * square;
  };
  return minimize_lbfgs(objective, std::move(start), solver);
}

/// The norm has a kink at W = 0, which may itself be the minimum: then no descent is tried. Elsewhere the function is smooth.
LbfgsResult minimize_norm(const CrossEntropy& loss, double C, double samples, const std::vector<double>& prior, const LbfgsOptions& solver) {
  const size_t coefficients = static_cast<size_t>(loss.coefficients());
  std::vector<double> x(static_cast<size_t>(loss.variables())), gradient(x.size());
  for (size_t c = 0; c < prior.size(); ++c) x[coefficients + c] = prior[c];
  const double at_zero = loss(x, gradient) / samples;
  const double slope = norm({gradient.data(), coefficients}) / samples, cost = 1 / (2 * C);
  if (slope <= cost) return {x, at_zero, 0, 0, 1, true};
  for (size_t i = 0; i < coefficients; ++i) x[i] = -1e-2 * gradient[i] / (slope * samples);
  const auto objective = [&](std::span<const double> at, std::span<double> g) {
    const double value = loss(at, g) / samples, length = norm(at.first(coefficients));
    for (double& v : g) v /= samples;
    for (size_t i = 0; i < coefficients && length > 0; ++i) g[i] += cost * at[i] / length;
    return value + cost * length;
  };
  return minimize_lbfgs(objective, std::move(x), solver);
}

}  // namespace

LinearProbe fit_linear_probe(const Tensor& x_ND, Labels target, int64_t num_classes, const LinearProbeOptions& o, const LinearProbe* warm) {
  check_labels(kWhere, target, num_classes);
  EOSIN_CHECK(num_classes >= 2, Data, "[{}] a single class cannot be told apart (need 2)", kWhere);
  const RowReader rows(x_ND, o.transform, kWhere);
  check_length(kWhere, "features", static_cast<size_t>(rows.rows()), target.size());
  const auto count = class_counts(target, num_classes);
  const double C = o.C.value_or(static_cast<double>(rows.dim() * num_classes) / 100);
  EOSIN_CHECK(C > 0 && std::isfinite(C), Config, "[{}] C must be positive (got {})", kWhere, C);

  const double samples = static_cast<double>(target.size());
  std::vector<double> weight(target.size(), 1.0), prior(static_cast<size_t>(num_classes), 0.0);
  if (o.balanced)
    for (size_t i = 0; i < weight.size(); ++i) weight[i] = samples / (static_cast<double>(num_classes) * count[target[i]]);
  if (o.fit_intercept && !o.balanced)
    for (int64_t c = 0; c < num_classes; ++c) prior[c] = std::log(count[c] / samples);
  const bool one_sigmoid = num_classes == 2 && o.penalty == Penalty::L2Squared;
  const int64_t outputs = one_sigmoid ? 1 : num_classes;
  const CrossEntropy loss(rows, target, std::move(weight), outputs, o.fit_intercept);

  std::vector<double> start(static_cast<size_t>(loss.variables()));
  if (warm) {
    EOSIN_ASSERT(warm->coef.rows == outputs && warm->coef.cols == rows.dim());
    std::copy(warm->intercept.begin(), warm->intercept.end(), std::copy(warm->coef.values.begin(), warm->coef.values.end(), start.begin()));
  }
  LbfgsResult r =
      o.penalty == Penalty::L2Squared ? minimize_squared(loss, C, std::move(start), o.solver) : minimize_norm(loss, C, samples, prior, o.solver);
  LinearProbe probe{num_classes, C, o.transform, Matrix(outputs, rows.dim()), {}, r.value, r.gradient_norm, r.iterations, r.converged};
  std::copy(r.x.begin(), r.x.begin() + loss.coefficients(), probe.coef.values.begin());
  probe.intercept.assign(r.x.begin() + loss.coefficients(), r.x.end());
  return probe;
}

Matrix LinearProbe::probabilities(const Tensor& x_MD) const {
  const RowReader rows(x_MD, transform, kWhere);
  EOSIN_CHECK(rows.dim() == coef.cols, Shape, "[{}] features differ in width from those of training (got {}, need {})", kWhere, rows.dim(),
              coef.cols);
  Matrix prob(rows.rows(), num_classes);
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, rows.rows());
    Matrix logits(end - begin, coef.rows);
    logits_of(rows.read(begin, end), coef.values.data(), intercept.data(), coef.rows, logits);
    for (int64_t i = 0; i < logits.rows; ++i) {
      const auto row = logits.row(i);
      if (coef.rows > 1) {
        softmax(row, 0);
        std::copy(row.begin(), row.end(), prob.row(begin + i).begin());
      } else {
        sigmoid(row[0], 0);
        prob(begin + i, 0) = 1 - row[0];
        prob(begin + i, 1) = row[0];
      }
    }
  }
  return prob;
}

}  // namespace eosin::eval
