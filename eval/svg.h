#pragma once
// Plots as inline SVG text. Colours are the page's CSS variables (--ink, --grid, --c0 ... --c5), so that one drawing serves light,
// dark and print; series differ by dash as well as by colour. Numbers carry at most 4 significant digits; all text is escaped.
#include "eval/matrix.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::eval::svg {

/// Text made inert for HTML and SVG, in elements and in attributes; bytes that are not UTF-8, and control characters, become U+FFFD.
std::string escape(std::string_view text);
/// At most 4 significant digits: "0.9123", "1.2e-05".
std::string number(double v);

struct Series {
  std::string name;
  std::vector<double> x, y;
};

struct LineChart {
  std::string title, description, x_label, y_label;
  std::vector<Series> series;
  std::optional<std::pair<double, double>> y_range;  // else from the data
  bool small = false;                                // one of many: fewer pixels, so that text stays readable
  bool chance_line = false;                          // dashed diagonal of a ROC curve; axes are then 0 ... 1
  bool points = false;                               // dots without a line between them, and the dashed diagonal of equal values
};
/// Points that are not finite leave a gap.
std::string line_chart(const LineChart& chart);

/// Rows are true classes, columns predictions; cells show counts and the share of the row.
std::string confusion_matrix(const std::vector<std::string>& classes, const Matrix& counts);

struct IntervalRow {
  std::string name;
  double value = 0, low = 0, high = 0;
};
/// Values with their intervals on one axis, one row each.
std::string interval_chart(const std::string& title, const std::vector<IntervalRow>& rows);

}  // namespace eosin::eval::svg
