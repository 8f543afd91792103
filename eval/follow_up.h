#pragma once
// Subjects followed until an event or until they were last seen (censored).
#include "eval/input.h"

#include <vector>

namespace eosin::eval {

/// Time of each subject, in any one unit, and whether the event was seen (1) or the subject censored (0).
struct FollowUp {
  std::span<const double> time;
  Labels event;
};
/// Errors   Data: no subjects, lengths differ, a time that is not finite or not positive (names the subject), an event other than 0 or 1.
void check_follow_up(std::string_view where, FollowUp subjects);

/// Errors   Data: no times, or times that are not finite or do not ascend.
void check_ascending(std::string_view where, std::span<const double> times);

/// Who leaves at each distinct time, ascending. At risk: time >= this one.
struct RiskTable {
  std::vector<double> time, events, censored, at_risk;
};
/// Errors   as check_follow_up.
RiskTable risk_table(std::string_view where, FollowUp subjects);

}  // namespace eosin::eval
