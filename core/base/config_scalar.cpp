#include "core/base/config_scalar.h"

#include "core/base/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace eosin::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Why the digits of a number are refused before their value is looked at.
std::string refuse_digits(std::string_view s, const char* need) {
  if (!s.empty() && (s[0] == '+' || s[0] == '-')) s.remove_prefix(1);
  if (s.empty() || !(is_digit(s[0]) || (s[0] == '.' && s.size() > 1 && is_digit(s[1])))) return need;
  if (s.size() > 1 && s[0] == '0' && is_digit(s[1])) return "a number without leading zeros";
  return {};
}

template <class T>
bool whole(std::string_view s, T& out, std::errc& error) {
  if (s[0] == '+') s.remove_prefix(1);
  const auto result = std::from_chars(s.data(), s.data() + s.size(), out);
  error = result.ec;
  return result.ptr == s.data() + s.size() && result.ec != std::errc::invalid_argument;
}

bool is_plain_text(const std::string& s) {
  static const std::vector<std::string> words = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
  if (s.empty() || !(std::isalpha(static_cast<unsigned char>(s[0])) || s[0] == '/' || s[0] == '_')) return false;
  if (!std::all_of(s.begin(), s.end(),
                   [](unsigned char c) { return std::isalnum(c) || std::string_view("/_.+-*@=").find(c) != std::string_view::npos; }))
    return false;
  std::string lower = s;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::find(words.begin(), words.end(), lower) == words.end();
}

}  // namespace

std::string parse_scalar(std::string_view text, bool& out) {
  if (text != "true" && text != "false") return "true or false";
  out = text == "true";
  return {};
}

std::string parse_scalar(std::string_view text, int64_t& out) {
  if (std::string why = refuse_digits(text, "a whole number"); !why.empty()) return why;
  std::errc error{};
  int64_t v = 0;
  if (!whole(text, v, error)) {
    double d = 0;
    if (whole(text, d, error) && error == std::errc{} && d == std::floor(d) && std::abs(d) < 1e15)
      return fmt::format("a whole number, written {}", static_cast<int64_t>(d));
    return "a whole number";
  }
  if (error != std::errc{}) return "a whole number of at most 64 bits";
  out = v;
  return {};
}

std::string parse_scalar(std::string_view text, double& out) {
  if (std::string why = refuse_digits(text, "a number"); !why.empty()) return why;
  std::errc error{};
  double v = 0;
  if (!whole(text, v, error)) return "a number";
  if (error != std::errc{}) return "a number that a double can hold";
  out = v;
  return {};
}

std::string format_scalar(double v) {
  EOSIN_ASSERT(std::isfinite(v));
  std::string s = fmt::format("{}", v);
  const size_t e = s.find('e');
  if (e == std::string::npos || s.find('.') != std::string::npos) return s;
  return s.insert(e, ".0");
}

std::string format_scalar(int64_t v) { return fmt::format("{}", v); }
std::string format_scalar(bool v) { return v ? "true" : "false"; }

std::string format_scalar(const std::string& v) {
  if (is_plain_text(v)) return v;
  std::string out = "\"";
  for (const char c : v) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F)
      out += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out + '"';
}

std::string describe(const Range& r) {
  const bool no_low = r.low == -INFINITY, no_high = r.high == INFINITY;
  return fmt::format("{}{}, {}{}", no_low || (r.open & kOpenLow) ? '(' : '[', r.low, r.high, no_high || (r.open & kOpenHigh) ? ')' : ']');
}

std::string describe(const Length& l) {
  if (l.low == l.high) return fmt::format("{} element{}", l.low, l.low == 1 ? "" : "s");
  return l.high == SIZE_MAX ? fmt::format("at least {} elements", l.low) : fmt::format("{} to {} elements", l.low, l.high);
}

std::string describe(const Rules& rules) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (rules.range) add(describe(*rules.range));
  if (rules.one_of) add(fmt::format("one of: {}", fmt::join(rules.one_of->words, ", ")));
  if (rules.length) add(describe(*rules.length));
  return out;
}

}  // namespace eosin::config
