#pragma once
// What is looked at before every evaluation, without a switch to turn it off.
#include "eval/labelled_set.h"
#include "eval/split_plan.h"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
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

/// Pairs of rows that are nearly the same: |a - b|^2 <= 2 (1 - cosine) |a| |b| of the rows less their mean over the set, which for rows of one
/// length is their cosine. The mean is taken off because all features of one encoder have much in common.
///
/// Checked  tests/eval/test_split_plan.cpp.
std::vector<std::pair<int64_t, int64_t>> near_duplicates(const Tensor& x_ND, double cosine = 0.9999);

/// audit() of every split of a plan, each check once, its message from the first split that has it; equal_features gives way to
/// near_duplicates       rows that are nearly the same in two parts (violation)
/// site_is_label         every site with two groups or more holds one class (violation; where sites are those of a study, as TCGA's codes are,
///                       classes that are studies always differ in them: warning)
/// site_confounded       one site holds more than 80 % of a class, and of the cohort less than that (warning)
std::vector<AuditRow> audit_splits(const LabelledSet& set, const SplitPlan& plan);

/// The rows as results.json has them; warnings go to the log too.
nlohmann::ordered_json audit_json(const std::vector<AuditRow>& rows);

/// Data error naming the first ten ids for the first violation that `accept_leak` (reasons, copied to the report) does not cover: any
/// reason covers all. Returns the violations that were accepted, with the reasons.
std::vector<std::string> enforce(const std::vector<AuditRow>& rows, const std::vector<std::string>& accept_leak);

}  // namespace eosin::eval
