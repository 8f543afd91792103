#include "eval/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace eosin::eval::svg {
namespace {

constexpr size_t kColours = 6;

/// Length of the well-formed UTF-8 sequence at the start of `s`, 0 if there is none.
size_t sequence_length(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char b = byte(0);
  const size_t n = b < 0x80 ? 1 : b >= 0xC2 && b < 0xE0 ? 2 : b >= 0xE0 && b < 0xF0 ? 3 : b >= 0xF0 && b < 0xF5 ? 4 : 0;
  if (n == 0 || n > s.size()) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const bool overlong = (b == 0xE0 && byte(1) < 0xA0) || (b == 0xF0 && byte(1) < 0x90);
  const bool outside = (b == 0xED && byte(1) > 0x9F) || (b == 0xF4 && byte(1) > 0x8F);
  return overlong || outside ? 0 : n;
}

std::string shortened(const std::string& text, size_t characters) {
  size_t at = 0, count = 0;
  while (at < text.size() && count < characters) {
    at += std::max<size_t>(1, sequence_length(std::string_view(text).substr(at)));
    ++count;
  }
  return at >= text.size() ? text : text.substr(0, at) + "…";
}

/// Round numbers that cover [low, high], about `wanted` of them.
std::vector<double> ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
  std::vector<double> t;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) t.push_back(k == 0 ? 0 : k * step);
  return t;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void take(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v), high = std::max(high, v);
  }
  bool empty() const { return low > high; }
  void widen() {
    if (empty()) low = 0, high = 1;
    const double pad = high > low ? 0.05 * (high - low) : std::max(1e-6, 0.1 * std::abs(high));
    low -= pad, high += pad;
  }
};

/// A plotting area inside a picture: data to pixels.
struct Frame {
  double left, top, width, height;
  Range x, y;
  double px(double v) const { return left + (v - x.low) / (x.high - x.low) * width; }
  double py(double v) const { return top + height - (v - y.low) / (y.high - y.low) * height; }
};

std::string open(double width, double height, const std::string& title, const std::string& description) {
  return fmt::format("<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title><desc>{}</desc>\n",
                     number(width), number(height), escape(title), escape(description));
}

std::string text(double x, double y, const std::string& cls, const std::string& what) {
  return fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>\n", number(x), number(y), cls, escape(what));
}

std::string line(double x1, double y1, double x2, double y2, const std::string& cls) {
  return fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{}\"/>\n", number(x1), number(y1), number(x2), number(y2), cls);
}

std::string axes(const Frame& f, const LineChart& c) {
  std::string s;
  for (double t : ticks(f.y.low, f.y.high, 5)) {
    s += line(f.left, f.py(t), f.left + f.width, f.py(t), "grid");
    s += text(f.left - 6, f.py(t) + 4, "tick end", number(t));
  }
  for (double t : ticks(f.x.low, f.x.high, c.small ? 4 : 6)) s += text(f.px(t), f.top + f.height + 16, "tick mid", number(t));
  s += line(f.left, f.top + f.height, f.left + f.width, f.top + f.height, "axis");
  s += text(f.left + f.width / 2, f.top + f.height + 33, "label mid", c.x_label);
  return s + text(f.left, f.top - 9, "label", c.y_label);
}

std::string path(const Frame& f, const Series& s, size_t colour) {
  std::string d;
  bool pen = false;
  for (size_t i = 0; i < s.x.size(); ++i) {
    const bool here = std::isfinite(s.x[i]) && std::isfinite(s.y[i]);
    if (here) d += fmt::format("{}{} {}", pen ? "L" : "M", number(f.px(s.x[i])), number(f.py(std::clamp(s.y[i], f.y.low, f.y.high))));
    pen = here;
  }
  std::string out = fmt::format("<path class=\"series c{}\" d=\"{}\"/>\n", colour, d);
  if (s.x.size() == 1 && pen)
    out += fmt::format("<circle class=\"dot c{}\" cx=\"{}\" cy=\"{}\" r=\"3\"/>\n", colour, number(f.px(s.x[0])), number(f.py(s.y[0])));
  return out;
}

std::string dots(const Frame& f, const Series& s, size_t colour) {
  std::string out;
  for (size_t i = 0; i < s.x.size(); ++i)
    if (std::isfinite(s.x[i]) && std::isfinite(s.y[i]))
      out += fmt::format("<circle class=\"dot c{}\" cx=\"{}\" cy=\"{}\" r=\"2\"/>\n", colour, number(f.px(s.x[i])), number(f.py(s.y[i])));
  return out;
}

std::string equal_values(const Frame& f) {
  const double low = std::max(f.x.low, f.y.low), high = std::min(f.x.high, f.y.high);
  return low < high ? line(f.px(low), f.py(low), f.px(high), f.py(high), "chance") : "";
}

std::string legend(const std::vector<Series>& series, double left, double y) {
  std::string s;
  for (size_t i = 0; i < series.size(); ++i) {
    const std::string name = shortened(series[i].name, 22);
    s += fmt::format("<path class=\"series c{}\" d=\"M{} {}h22\"/>\n", i % kColours, number(left), number(y - 4));
    s += text(left + 27, y, "tick", name);
    left += 42 + 6.6 * static_cast<double>(name.size());
  }
  return s;
}

}  // namespace

std::string escape(std::string_view in) {
  std::string out;
  for (size_t i = 0; i < in.size();) {
    const size_t n = sequence_length(in.substr(i));
    const unsigned char b = static_cast<unsigned char>(in[i]);
    if (n == 0 || (b < 0x20 && b != '\n' && b != '\t') || b == 0x7F)
      out += "\xEF\xBF\xBD";
    else if (b == '&')
      out += "&amp;";
    else if (b == '<')
      out += "&lt;";
    else if (b == '>')
      out += "&gt;";
    else if (b == '"')
      out += "&quot;";
    else if (b == '\'')
      out += "&#39;";
    else
      out += in.substr(i, n);
    i += std::max<size_t>(n, 1);
  }
  return out;
}

std::string number(double v) {
  if (!std::isfinite(v)) return "–";
  const std::string s = fmt::format("{:.4g}", v);
  return s == "-0" ? "0" : s;
}

std::string line_chart(const LineChart& c) {
  const double width = c.small ? 320 : 480, height = c.small ? 210 : c.chance_line ? 460 : 270;
  const bool named = c.series.size() > 1;
  Frame f{52, named ? 44.0 : 26.0, width - 66, 0, {}, {}};
  f.height = height - f.top - 42;
  for (const Series& s : c.series)
    for (size_t i = 0; i < s.x.size(); ++i) {
      f.x.take(s.x[i]);
      f.y.take(s.y[i]);
    }
  if (f.x.empty()) f.x = {0, 1};
  if (f.x.low == f.x.high) f.x = {f.x.low - 0.5, f.x.high + 0.5};
  f.y.widen();
  if (c.y_range) f.y = {c.y_range->first, c.y_range->second};
  if (c.chance_line) f.x = f.y = {0, 1};
  std::string s = open(width, height, c.title, c.description) + axes(f, c);
  if (named) s += legend(c.series, f.left, 16);
  if (c.chance_line) s += line(f.px(0), f.py(0), f.px(1), f.py(1), "chance");
  if (c.points) s += equal_values(f);
  for (size_t i = 0; i < c.series.size(); ++i) s += c.points ? dots(f, c.series[i], i % kColours) : path(f, c.series[i], i % kColours);
  return s + "</svg>\n";
}

std::string confusion_matrix(const std::vector<std::string>& classes, const Matrix& counts) {
  const double n = static_cast<double>(classes.size());
  const double cell = std::clamp(420 / n, 26.0, 96.0), left = 120, top = 62;
  std::string s =
      open(left + n * cell + 10, top + n * cell + 12, "Confusion matrix", "Rows are true classes, columns predictions; counts and share of the row.");
  s += text(left + n * cell / 2, 16, "label mid", "predicted");
  s += text(8, top - 12, "label", "true");
  for (int64_t i = 0; i < counts.rows; ++i) {
    double row = 0;
    for (double v : counts.row(i)) row += v;
    const double y = top + static_cast<double>(i) * cell;
    s += text(left - 8, y + cell / 2 + 4, "tick end", shortened(classes[i], 16));
    s += text(left + (static_cast<double>(i) + 0.5) * cell, top - 12, "tick mid", shortened(classes[i], static_cast<size_t>(cell / 6.5)));
    for (int64_t j = 0; j < counts.cols; ++j) {
      const double x = left + static_cast<double>(j) * cell, share = row > 0 ? counts(i, j) / row : 0;
      s += fmt::format(
          "<g class=\"cell{}\"><title>{} → {}: {}, {:.1f} % of the row</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
          "style=\"--share:{}\"/>",
          share > 0.55 ? " strong" : "", escape(classes[i]), escape(classes[j]), number(counts(i, j)), 100 * share, number(x + 1), number(y + 1),
          number(cell - 2), number(cell - 2), number(share));
      if (cell >= 40) {
        s += text(x + cell / 2, y + cell / 2, "count mid", fmt::format("{:.0f}", counts(i, j)));
        s += text(x + cell / 2, y + cell / 2 + 15, "share mid", fmt::format("{:.0f} %", 100 * share));
      } else {
        s += text(x + cell / 2, y + cell / 2 + 4, "share mid", fmt::format("{:.0f}", counts(i, j)));
      }
      s += "</g>\n";
    }
  }
  return s + "</svg>\n";
}

std::string interval_chart(const std::string& title, const std::vector<IntervalRow>& rows) {
  constexpr double kWidth = 480, kRow = 28;
  Frame f{168, 10, kWidth - 168 - 20, kRow * static_cast<double>(rows.size()), {}, {}};
  for (const IntervalRow& r : rows) f.x.take(r.low), f.x.take(r.high), f.x.take(r.value);
  f.x.widen();
  std::string s = open(kWidth, f.height + 42, title, "Values with their confidence intervals.");
  for (double t : ticks(f.x.low, f.x.high, 5)) {
    s += line(f.px(t), f.top, f.px(t), f.top + f.height, "grid");
    s += text(f.px(t), f.top + f.height + 17, "tick mid", number(t));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const double y = f.top + kRow * (static_cast<double>(i) + 0.5);
    s += text(f.left - 10, y + 4, "tick end", shortened(rows[i].name, 24));
    s += line(f.px(rows[i].low), y, f.px(rows[i].high), y, "whisker");
    s += fmt::format("<circle class=\"dot c0\" cx=\"{}\" cy=\"{}\" r=\"4.5\"><title>{} {} ({} – {})</title></circle>\n", number(f.px(rows[i].value)),
                     number(y), escape(rows[i].name), number(rows[i].value), number(rows[i].low), number(rows[i].high));
  }
  return s + "</svg>\n";
}

}  // namespace eosin::eval::svg
