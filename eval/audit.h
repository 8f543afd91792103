#pragma once
// What is looked at before every evaluation, without a switch to turn it off.
#include "eval/labelled_set.h"

#include <string>
#include <vector>

namespace eosin::eval {

struct AuditRow {
  std::string check;    // "group_overlap"
  std::string state;    // "ok", "warning", "violation"
  int64_t count = 0;    // of groups, ids, rows
  std::string message;  // what was found, naming the first ten; empty when ok
};

/// group_overlap        groups in two parts (violation)
/// id_overlap           ids that differ only in case or extension across parts (warning)
/// equal_features       rows of features that are equal across parts (warning)
/// class_absent         classes without a sample in a part (warning)
/// groups_known         whether there is a group column; without it rows count as patients (warning)
std::vector<AuditRow> audit(const LabelledSet& set);

/// Data error naming the first ten ids for the first violation that `accept_leak` (reasons, copied to the report) does not cover: any
/// reason covers all. Returns the violations that were accepted, with the reasons.
std::vector<std::string> enforce(const std::vector<AuditRow>& rows, const std::vector<std::string>& accept_leak);

}  // namespace eosin::eval
