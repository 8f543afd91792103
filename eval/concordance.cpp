#include "eval/concordance.h"

#include "core/base/error.h"
#include "eval/kaplan_meier.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.c_index";

/// How many of the subjects seen so far have one of the `end` lowest risks.
class FenwickTree {
 public:
  explicit FenwickTree(size_t size) : count_(size + 1) {}
  void add(size_t position) {
    for (size_t i = position + 1; i < count_.size(); i += i & (~i + 1)) ++count_[i];
    ++total_;
  }
  int64_t below(size_t end) const {
    int64_t sum = 0;
    for (size_t i = end; i > 0; i -= i & (~i + 1)) sum += count_[i];
    return sum;
  }
  int64_t total() const { return total_; }

 private:
  std::vector<int64_t> count_;
  int64_t total_ = 0;
};

/// Comparable partners of one subject with an event.
struct Partners {
  size_t subject;
  int64_t lower, tied, higher;  // by their risk
};

/// Calls use(Partners) for every event, latest first: those who are seen before it are its partners.
template <class F>
int64_t for_each_event(FollowUp s, std::span<const double> risk, double tied_tol, F use) {
  const size_t n = risk.size();
  std::vector<size_t> by_risk(n), by_time(n), position(n);
  std::iota(by_risk.begin(), by_risk.end(), size_t{0});
  by_time = by_risk;
  std::sort(by_risk.begin(), by_risk.end(), [&](size_t a, size_t b) { return risk[a] < risk[b]; });
  std::sort(by_time.begin(), by_time.end(), [&](size_t a, size_t b) { return s.time[a] > s.time[b]; });
  std::vector<double> sorted;
  for (size_t i = 0; i < n; ++i) position[by_risk[i]] = i, sorted.push_back(risk[by_risk[i]]);
  FenwickTree seen(n);
  int64_t tied_time = 0;
  for (size_t begin = 0, end = 0; begin < n; begin = end) {
    int64_t events = 0, censored = 0;
    for (; end < n && s.time[by_time[end]] == s.time[by_time[begin]]; ++end)
      if (s.event[by_time[end]])
        ++events;
      else
        seen.add(position[by_time[end]]), ++censored;
    tied_time += events * censored;
    for (size_t i = begin; i < end; ++i) {
      const size_t who = by_time[i];
      if (!s.event[who]) continue;
      const auto tie = std::partition_point(sorted.begin(), sorted.end(), [&](double r) { return risk[who] - r > tied_tol; });
      const auto above = std::partition_point(tie, sorted.end(), [&](double r) { return r - risk[who] <= tied_tol; });
      const int64_t lower = seen.below(static_cast<size_t>(tie - sorted.begin()));
      const int64_t not_higher = seen.below(static_cast<size_t>(above - sorted.begin()));
      use(Partners{who, lower, not_higher - lower, seen.total() - not_higher});
    }
    for (size_t i = begin; i < end; ++i)
      if (s.event[by_time[i]]) seen.add(position[by_time[i]]);
  }
  return tied_time;
}

void check(FollowUp s, std::span<const double> risk) {
  check_follow_up(kWhere, s);
  check_length(kWhere, "risks", risk.size(), s.time.size());
  check_finite(kWhere, "risk", risk);
}

}  // namespace

Concordance harrell_c(FollowUp s, std::span<const double> risk, double tied_tol) {
  check(s, risk);
  Concordance c;
  c.tied_time =
      for_each_event(s, risk, tied_tol, [&](const Partners& p) { c.concordant += p.lower, c.tied_risk += p.tied, c.discordant += p.higher; });
  const int64_t comparable = c.concordant + c.tied_risk + c.discordant;
  EOSIN_CHECK(comparable > 0, Data, "[{}] no comparable pair: nobody has an event before another's time (got {} subjects, {} events)", kWhere,
              s.time.size(), std::count(s.event.begin(), s.event.end(), 1));
  c.value = (static_cast<double>(c.concordant) + 0.5 * static_cast<double>(c.tied_risk)) / static_cast<double>(comparable);
  return c;
}

double uno_c(FollowUp s, std::span<const double> risk, FollowUp train, std::optional<double> tau, double tied_tol) {
  check(s, risk);
  const Censoring censoring(kWhere, train);
  double concordant = 0, comparable = 0;
  for_each_event(s, risk, tied_tol, [&](const Partners& p) {
    if (tau && !(s.time[p.subject] < *tau)) return;
    const double w = censoring.weight(s.time[p.subject], p.subject), square = w * w;
    concordant += square * (static_cast<double>(p.lower) + 0.5 * static_cast<double>(p.tied));
    comparable += square * static_cast<double>(p.lower + p.tied + p.higher);
  });
  EOSIN_CHECK(comparable > 0, Data, "[{}] no comparable pair: nobody has an event before another's time{}", kWhere, tau ? " and before tau" : "");
  return concordant / comparable;
}

}  // namespace eosin::eval
