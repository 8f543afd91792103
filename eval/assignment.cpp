#include "eval/assignment.h"

#include "eval/input.h"

#include <cmath>

namespace eosin::eval {
namespace {

Matrix transposed(MatrixView m) {
  Matrix t(m.cols, m.rows);
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j) t(j, i) = m(i, j);
  return t;
}

/// Dual prices and pairs while rows are added one by one; rows <= columns. Column `cols` stands for "not yet paired".
class Pairing {
 public:
  explicit Pairing(MatrixView cost)
      : cost_(cost),
        row_price_(static_cast<size_t>(cost.rows)),
        column_price_(static_cast<size_t>(cost.cols) + 1),
        row_of_(static_cast<size_t>(cost.cols) + 1, -1) {}

  /// Shortest alternating path from the row to a free column, in reduced costs; then pairs are swapped along it.
  void add(int64_t row) {
    const int64_t none = cost_.cols;
    std::vector<double> distance(static_cast<size_t>(none), INFINITY);
    std::vector<int64_t> before(static_cast<size_t>(none), none);
    std::vector<bool> done(static_cast<size_t>(none) + 1);
    row_of_[none] = row;
    int64_t at = none;
    while (row_of_[at] >= 0) {
      done[at] = true;
      const int64_t next = nearest_open(at, distance, before, done);
      const double step = distance[next];
      for (int64_t j = 0; j <= none; ++j)
        if (done[j])
          row_price_[row_of_[j]] += step, column_price_[j] -= step;
        else if (j < none)
          distance[j] -= step;
      at = next;
    }
    for (; at != none; at = before[at]) row_of_[at] = row_of_[before[at]];
    row_of_[none] = -1;
  }

  std::vector<int64_t> columns() const {
    std::vector<int64_t> column(row_price_.size(), -1);
    for (int64_t j = 0; j < cost_.cols; ++j)
      if (row_of_[j] >= 0) column[row_of_[j]] = j;
    return column;
  }

 private:
  int64_t nearest_open(int64_t at, std::vector<double>& distance, std::vector<int64_t>& before, const std::vector<bool>& done) const {
    int64_t nearest = -1;
    for (int64_t j = 0; j < cost_.cols; ++j) {
      if (done[j]) continue;
      const double reduced = cost_(row_of_[at], j) - row_price_[row_of_[at]] - column_price_[j];
      if (reduced < distance[j]) distance[j] = reduced, before[j] = at;
      if (nearest < 0 || distance[j] < distance[nearest]) nearest = j;
    }
    return nearest;
  }

  MatrixView cost_;
  std::vector<double> row_price_, column_price_;
  std::vector<int64_t> row_of_;
};

}  // namespace

std::vector<int64_t> cheapest_assignment(MatrixView cost) {
  check_finite("eval.assignment", "cost", cost.all());
  if (cost.rows > cost.cols) {
    const auto row_of = cheapest_assignment(transposed(cost));
    std::vector<int64_t> column(static_cast<size_t>(cost.rows), -1);
    for (size_t j = 0; j < row_of.size(); ++j) column[row_of[j]] = static_cast<int64_t>(j);
    return column;
  }
  Pairing pairing(cost);
  for (int64_t i = 0; i < cost.rows; ++i) pairing.add(i);
  return pairing.columns();
}

}  // namespace eosin::eval
