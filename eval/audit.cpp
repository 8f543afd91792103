#include "eval/audit.h"

#include "core/base/error.h"
#include "eval/split.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace eosin::eval {
namespace {

constexpr std::array<const char*, 3> kParts = {"train", "val", "test"};

std::string first_ten(const std::vector<std::string>& names) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(names.size(), 10));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > 10 ? ", ..." : "");
}

AuditRow row(const char* check, const char* state_if_any, const std::vector<std::string>& found, const char* what) {
  if (found.empty()) return {check, "ok", 0, ""};
  return {check, state_if_any, static_cast<int64_t>(found.size()), fmt::format("{}: {}", what, first_ten(found))};
}

AuditRow overlap_of_groups(const LabelledSet& set) {
  std::set<int64_t> shared;
  for (const auto& pair : group_overlap(set.group, set.part)) shared.insert(pair.begin(), pair.end());
  std::vector<std::string> names;
  for (int64_t g : shared) names.push_back(set.groups[g]);
  return row("group_overlap", "violation", names, "groups in more than one part");
}

/// Rows whose key occurs in another part too.
template <class Key>
std::vector<std::string> across_parts(const LabelledSet& set, Key key) {
  std::map<std::string, std::pair<int64_t, size_t>> first;  // part and row
  std::vector<std::string> found;
  for (size_t i = 0; i < set.ids.size(); ++i) {
    const auto [it, fresh] = first.emplace(key(i), std::pair(set.part[i], i));
    if (!fresh && it->second.first != set.part[i]) found.push_back(fmt::format("{} = {}", set.ids[it->second.second], set.ids[i]));
  }
  return found;
}

std::string plain_id(const std::string& id) {
  std::string s = std::filesystem::path(id).replace_extension().string();
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

std::vector<std::string> absent_classes(const LabelledSet& set) {
  std::set<std::pair<int64_t, int64_t>> present;
  for (size_t i = 0; i < set.target.size(); ++i) present.emplace(set.part[i], set.target[i]);
  const std::set<int64_t> parts(set.part.begin(), set.part.end());
  std::vector<std::string> absent;
  for (int64_t part : parts)
    for (size_t c = 0; c < set.classes.size(); ++c)
      if (!present.contains({part, static_cast<int64_t>(c)})) absent.push_back(fmt::format("{} in {}", set.classes[c], kParts[part]));
  return absent;
}

}  // namespace

std::vector<AuditRow> audit(const LabelledSet& set) {
  std::vector<AuditRow> rows;
  if (!set.part.empty()) {
    rows.push_back(overlap_of_groups(set));
    rows.push_back(row("id_overlap", "warning", across_parts(set, [&](size_t i) { return plain_id(set.ids[i]); }),
                       "ids that differ only in case or extension, in two parts"));
    const Tensor x = set.features_ND.contiguous();
    const auto bytes = static_cast<size_t>(x.size(1)) * x.element_size();
    const auto* data = static_cast<const char*>(x.const_data_ptr());
    rows.push_back(row("equal_features", "warning", across_parts(set, [&](size_t i) { return std::string(data + i * bytes, bytes); }),
                       "equal features in two parts"));
    rows.push_back(row("class_absent", "warning", absent_classes(set), "classes without a sample"));
  }
  const std::vector<std::string> unknown =
      set.grouped ? std::vector<std::string>{} : std::vector<std::string>{"every row counts as a patient of its own"};
  rows.push_back(row("groups_known", "warning", unknown, "no group column"));
  return rows;
}

std::vector<std::string> enforce(const std::vector<AuditRow>& rows, const std::vector<std::string>& accept_leak) {
  std::vector<std::string> accepted;
  for (const AuditRow& r : rows) {
    if (r.state != "violation") continue;
    EOSIN_CHECK(!accept_leak.empty(), Data,
                "[eval] the split leaks: {} {} (need 0); mend the split, or give accept_leak a reason that the report will show", r.count, r.message);
    accepted.push_back(fmt::format("{} ({}); accepted: {}", r.message, r.count, fmt::join(accept_leak, "; ")));
  }
  return accepted;
}

}  // namespace eosin::eval
