#include "eval/follow_up.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {

void check_follow_up(std::string_view where, FollowUp s) {
  check_labels(where, s.event, 2);
  check_length(where, "times", s.time.size(), s.event.size());
  for (size_t i = 0; i < s.time.size(); ++i)
    EOSIN_CHECK(std::isfinite(s.time[i]) && s.time[i] > 0, Data, "[{}] the time of subject {} is not positive and finite (got {})", where, i,
                s.time[i]);
}

void check_ascending(std::string_view where, std::span<const double> times) {
  EOSIN_CHECK(!times.empty(), Data, "[{}] there are no times (need at least 1)", where);
  check_finite(where, "time", times);
  for (size_t t = 1; t < times.size(); ++t)
    EOSIN_CHECK(times[t] > times[t - 1], Data, "[{}] times do not ascend (got {} after {})", where, times[t], times[t - 1]);
}

RiskTable risk_table(std::string_view where, FollowUp s) {
  check_follow_up(where, s);
  std::vector<size_t> order(s.time.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return s.time[a] < s.time[b]; });
  RiskTable r;
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t who = order[i];
    if (r.time.empty() || s.time[who] != r.time.back()) {
      r.time.push_back(s.time[who]), r.events.push_back(0), r.censored.push_back(0);
      r.at_risk.push_back(static_cast<double>(order.size() - i));
    }
    (s.event[who] ? r.events : r.censored).back() += 1;
  }
  return r;
}

}  // namespace eosin::eval
