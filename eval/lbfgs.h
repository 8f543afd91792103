#pragma once
// Unconstrained minimisation of a smooth function of many variables.
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace eosin::eval {

struct LbfgsOptions {
  int64_t history = 20;
  int64_t max_iterations = 1000;
  double tolerance = 1e-8;  // stop at |gradient|_inf <= tolerance * max(1, |f|)
};

struct LbfgsResult {
  std::vector<double> x;
  double value = 0, gradient_norm = 0;  // largest absolute element
  int64_t iterations = 0, evaluations = 0;
  bool converged = false;
};

/// Value at x; writes the gradient.
using Differentiable = std::function<double(std::span<const double> x, std::span<double> gradient)>;

/// Limited-memory BFGS with strong Wolfe conditions (Nocedal and Wright 2006, algorithms 7.4, 3.5, 3.6).
///
/// Differs  near the minimum, where f is flat to rounding, a step is also accepted by its slopes alone (Hager and Zhang 2005, eq. 4.1).
/// Errors   Numeric if the function or its gradient is not finite at the start.
/// Checked  tests/eval/test_linear_probe.cpp.
LbfgsResult minimize_lbfgs(const Differentiable& f, std::vector<double> start, const LbfgsOptions& options = {});

}  // namespace eosin::eval
