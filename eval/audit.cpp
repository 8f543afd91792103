#include "eval/audit.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "eval/matrix.h"
#include "eval/split.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
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

/// The rows of a split, with their parts.
LabelledSet with_parts(const LabelledSet& set, const Parts& parts) {
  std::vector<int64_t> rows, part;
  for (const auto& [of, number] : {std::pair(&parts.train, 0), {&parts.val, 1}, {&parts.test, 2}})
    for (const int64_t i : *of) rows.push_back(i), part.push_back(number);
  LabelledSet r = set.rows(rows);
  r.part = std::move(part);
  return r;
}

/// Groups of every class at every site.
Matrix site_table(const LabelledSet& set) {
  std::set<std::array<int64_t, 3>> seen;
  Matrix count(static_cast<int64_t>(set.sites.size()), static_cast<int64_t>(set.classes.size()));
  for (size_t i = 0; i < set.site.size(); ++i)
    if (seen.insert({set.group[i], set.site[i], set.target[i]}).second) count(set.site[i], set.target[i]) += 1;
  return count;
}

double sum(std::span<const double> v) { return std::accumulate(v.begin(), v.end(), 0.0); }

std::vector<AuditRow> site_checks(const LabelledSet& set) {
  if (set.sites.size() < 2 || set.site.empty()) return {};
  const Matrix count = site_table(set);
  const double all = sum(count.values);
  std::vector<std::string> pure, heavy;
  bool mixed = false;
  std::set<int64_t> held;
  for (int64_t s = 0; s < count.rows; ++s) {
    const double groups = sum(count.row(s));
    const int64_t most = argmax(count.row(s));
    if (groups < 2) continue;
    mixed = mixed || count(s, most) < groups;
    held.insert(most);
    pure.push_back(fmt::format("{} = {} ({} groups)", set.sites[s], set.classes[most], groups));
    for (int64_t c = 0; c < count.cols; ++c) {
      double of_class = 0;
      for (int64_t t = 0; t < count.rows; ++t) of_class += count(t, c);
      if (of_class > 1 && count(s, c) > 0.8 * of_class && groups < 0.8 * all)
        heavy.push_back(fmt::format("{} of class {}", set.sites[s], set.classes[c]));
    }
  }
  if (mixed || held.size() < 2) pure.clear();
  return {row("site_is_label", set.sites_of_study ? "warning" : "violation", pure, "the site tells the class"),
          row("site_confounded", "warning", heavy, "sites that hold more than 80 % of a class")};
}

AuditRow duplicates_across(const LabelledSet& set, const Parts& parts, const std::vector<std::pair<int64_t, int64_t>>& pairs) {
  std::vector<int64_t> part(set.ids.size(), -1);
  for (const auto& [of, number] : {std::pair(&parts.train, 0), {&parts.val, 1}, {&parts.test, 2}})
    for (const int64_t i : *of) part[static_cast<size_t>(i)] = number;
  std::vector<std::string> found;
  for (const auto& [a, b] : pairs)
    if (part[a] >= 0 && part[b] >= 0 && part[a] != part[b]) found.push_back(fmt::format("{} = {}", set.ids[a], set.ids[b]));
  return row("near_duplicates", "violation", found, "nearly the same features in two parts");
}

/// The first finding of each check, and in how many splits it was.
class Joined {
 public:
  void add(const AuditRow& r, const std::string& split) {
    auto it = std::find_if(rows_.begin(), rows_.end(), [&](const AuditRow& known) { return known.check == r.check; });
    if (it == rows_.end()) it = rows_.insert(rows_.end(), {r.check, "ok", 0, ""});
    if (r.state == "ok") return;
    if (it->state == "ok") *it = {r.check, r.state, r.count, split.empty() ? r.message : split + ": " + r.message};
    ++splits_[r.check];
  }
  std::vector<AuditRow> rows() && {
    for (AuditRow& r : rows_)
      if (splits_[r.check] > 1) r.message += fmt::format(" (and in {} more splits)", splits_[r.check] - 1);
    return std::move(rows_);
  }

 private:
  std::vector<AuditRow> rows_;
  std::map<std::string, int64_t> splits_;
};

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

std::vector<std::pair<int64_t, int64_t>> near_duplicates(const Tensor& x_ND, double cosine) {
  constexpr int64_t kBlock = 1024;
  const Tensor x = x_ND.to(at::kDouble) - x_ND.to(at::kDouble).mean(0, true);
  const Tensor length = x.norm(2, 1);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t from = 0; from < x.size(0); from += kBlock) {
    const int64_t n = std::min(kBlock, x.size(0) - from);
    const Tensor a = length.narrow(0, from, n).unsqueeze(1), b = length.unsqueeze(0);
    const Tensor distance = a.square() + b.square() - 2 * x.narrow(0, from, n).matmul(x.t());
    const Tensor close = (distance <= 2 * (1 - cosine) * a * b).triu(from + 1).nonzero();
    for (int64_t k = 0; k < close.size(0); ++k) pairs.emplace_back(close[k][0].item<int64_t>() + from, close[k][1].item<int64_t>());
  }
  return pairs;
}

std::vector<AuditRow> audit_splits(const LabelledSet& set, const SplitPlan& plan) {
  const auto pairs = near_duplicates(set.features_ND);
  Joined joined;
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const std::string name = plan.name(s);
    for (const AuditRow& r : audit(with_parts(set, plan.parts[s])))
      if (r.check == "groups_known")
        joined.add(r, "");
      else if (r.check != "equal_features")
        joined.add(r, name);
    joined.add(duplicates_across(set, plan.parts[s], pairs), name);
  }
  for (const AuditRow& r : site_checks(set)) joined.add(r, "");
  std::vector<AuditRow> rows = std::move(joined).rows();
  if (!set.grouped)  // said once, not once a split
    for (AuditRow& r : rows)
      if (r.check == "groups_known") r.message = "no group column: every row counts as a patient of its own";
  return rows;
}

nlohmann::ordered_json audit_json(const std::vector<AuditRow>& rows) {
  auto all = nlohmann::ordered_json::array();
  for (const AuditRow& r : rows) {
    if (r.state == "warning") log::warn("[eval] {}", r.message);
    all.push_back({{"check", r.check}, {"state", r.state}, {"count", r.count}, {"message", r.message}});
  }
  return all;
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
