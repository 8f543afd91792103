#include "eval/friedman.h"

#include "core/base/error.h"
#include "eval/input.h"
#include "eval/ranks.h"

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.friedman";

}  // namespace

Friedman friedman(MatrixView value_NK) {
  EOSIN_CHECK(value_NK.rows > 0 && value_NK.cols > 1, Data, "[{}] too few samples (got {} blocks of {} treatments, need 1 of 2)", kWhere,
              value_NK.rows, value_NK.cols);
  check_finite(kWhere, "value", value_NK.all());
  const double n = static_cast<double>(value_NK.rows), k = static_cast<double>(value_NK.cols);
  std::vector<double> sum(static_cast<size_t>(value_NK.cols));
  double ties = 0;
  for (int64_t i = 0; i < value_NK.rows; ++i) {
    const Ranks r = average_ranks(value_NK.row(i));
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += r.rank[j];
    ties += r.ties;
  }
  double square = 0;
  for (double s : sum) square += s * s;
  const double correction = 1 - ties / (n * (k * k * k - k));
  EOSIN_CHECK(correction > 0, Numeric, "[{}] undefined: in every block all treatments are equal", kWhere);
  Friedman f;
  f.test.statistic = (12 / (n * k * (k + 1)) * square - 3 * n * (k + 1)) / correction;
  f.test.p_value = chi_square_sf(f.test.statistic, k - 1);
  for (double s : sum) f.mean_rank.push_back(s / n);
  return f;
}

}  // namespace eosin::eval
