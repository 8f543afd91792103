#include "eval/split_plan.h"

#include "core/base/error.h"
#include "core/base/sha256.h"
#include "data/sampler.h"
#include "eval/split.h"
#include "eval/split_files.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>

namespace eosin::eval {
namespace {

constexpr int64_t kInnerFolds = 5;  // of which one validates where the rule does not say

int64_t classes_of(const LabelledSet& set) { return static_cast<int64_t>(set.classes.size()); }

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value > 0 ? std::optional(value) : std::nullopt;
}

/// 0 ... n-1 in the order of (seed, repeat).
std::vector<int64_t> shuffled(int64_t n, const SplitOptions& options, int64_t repeat) {
  const data::Permutation order(static_cast<uint64_t>(n), options.seed, static_cast<uint64_t>(repeat));
  std::vector<int64_t> r;
  for (int64_t i = 0; i < n; ++i) r.push_back(static_cast<int64_t>(order(static_cast<uint64_t>(i))));
  return r;
}

void check_sites(const LabelledSet& set) {
  EOSIN_CHECK(!set.site.empty(), Data, "[splits] the rule needs sites, and the cohort has none for some rows; name their column as columns.site");
  EOSIN_CHECK(set.sites.size() >= 2, Data, "[splits] the rule needs at least two sites (got {})", set.sites.size());
}

std::vector<Parts> folds(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options) {
  if (options.preserve_sites) check_sites(set);
  const std::vector<int64_t>& unit = options.preserve_sites ? set.site : set.group;
  const auto n_units = static_cast<int64_t>(options.preserve_sites ? set.sites.size() : set.groups.size());
  std::vector<Parts> all;
  for (int64_t r = 0; r < rule.repeats; ++r) {
    const Folds dealt = group_folds(set.target, unit, classes_of(set), rule.k, shuffled(n_units, options, r));
    for (int64_t f = 0; f < rule.k; ++f) {
      Parts& p = all.emplace_back();
      p.repeat = r, p.fold = f;
      for (size_t i = 0; i < dealt.fold.size(); ++i)
        (dealt.fold[i] == f ? p.test : dealt.fold[i] == (f + 1) % rule.k ? p.val : p.train).push_back(static_cast<int64_t>(i));
    }
  }
  return all;
}

std::vector<Parts> site_out(const LabelledSet& set, const SplitOptions& options) {
  check_sites(set);
  std::vector<Parts> all;
  for (size_t s = 0; s < set.sites.size(); ++s) {
    Parts& p = all.emplace_back();
    p.fold = static_cast<int64_t>(s);
    std::vector<int64_t> rest;
    for (size_t i = 0; i < set.site.size(); ++i) (set.site[i] == static_cast<int64_t>(s) ? p.test : rest).push_back(static_cast<int64_t>(i));
    const LabelledSet others = set.rows(rest);
    const Folds dealt =
        group_folds(others.target, others.group, classes_of(set), kInnerFolds, shuffled(static_cast<int64_t>(set.groups.size()), options, 0));
    for (size_t i = 0; i < rest.size(); ++i) (dealt.fold[i] == 0 ? p.val : p.train).push_back(rest[i]);
  }
  return all;
}

/// How many groups of a class go to training and validation; the rest tests.
struct Quota {
  int64_t train, val;
};

/// Groups drawn class by class (a group's class is that of its first row), in an order of their own in every repeat.
template <class QuotaOf>
std::vector<Parts> drawn(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options, QuotaOf quota_of) {
  std::map<int64_t, int64_t> class_of;
  for (size_t i = 0; i < set.group.size(); ++i) class_of.emplace(set.group[i], set.target[i]);
  std::vector<Parts> all;
  for (int64_t r = 0; r < rule.repeats; ++r) {
    std::vector<std::vector<int64_t>> by_class(set.classes.size());
    for (const int64_t g : shuffled(static_cast<int64_t>(set.groups.size()), options, r))
      if (const auto it = class_of.find(g); it != class_of.end()) by_class[static_cast<size_t>(it->second)].push_back(g);
    std::map<int64_t, int64_t> part_of;
    for (size_t c = 0; c < by_class.size(); ++c) {
      const Quota q = quota_of(static_cast<int64_t>(by_class[c].size()), set.classes[c]);
      for (size_t k = 0; k < by_class[c].size(); ++k) {
        const auto at = static_cast<int64_t>(k);
        part_of[by_class[c][k]] = at < q.train ? 0 : at < q.train + q.val ? 1 : 2;
      }
    }
    Parts& p = all.emplace_back();
    p.repeat = r;
    for (size_t i = 0; i < set.group.size(); ++i) {
      const int64_t part = part_of[set.group[i]];
      (part == 0 ? p.train : part == 1 ? p.val : p.test).push_back(static_cast<int64_t>(i));
    }
  }
  return all;
}

std::vector<Parts> monte_carlo(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options) {
  return drawn(set, rule, options, [&](int64_t n, const std::string& name) {
    const auto share = [&](int64_t part) { return std::max<int64_t>(1, std::llround(static_cast<double>(n * rule.shares[part]) / 100)); };
    const int64_t val = rule.shares[1] == 0 ? 0 : share(1), test = share(2);
    EOSIN_CHECK(n - val - test > 0, Data, "[splits] class '{}' has {} groups, too few for training, validation and test", name, n);
    return Quota{n - val - test, val};
  });
}

std::vector<Parts> shots(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options) {
  return drawn(set, rule, options, [&](int64_t n, const std::string& name) {
    EOSIN_CHECK(n > 2 * rule.k, Data, "[splits] class '{}' has {} groups (need more than {} for {} shots and as many to validate)", name, n,
                2 * rule.k, rule.k);
    return Quota{rule.k, rule.k};
  });
}

std::string words_of(const SplitRule& rule, const SplitOptions& options) {
  const std::string unit = options.preserve_sites ? "sites" : "patients", times = rule.repeats > 1 ? fmt::format("{} times ", rule.repeats) : "";
  switch (rule.kind) {
    case SplitRule::Kind::Folds:
      return fmt::format("{}{} folds of {}, by class; validation is the next fold", times, rule.k, unit);
    case SplitRule::Kind::MonteCarlo:
      return fmt::format("{}drawn by class: {} % of the patients train, validate, test", times, fmt::join(rule.shares, "/"));
    case SplitRule::Kind::SiteOut:
      return "every site tests once";
    case SplitRule::Kind::Shots:
      return fmt::format("{}{} patients a class train, as many validate, the rest tests", times, rule.k);
    case SplitRule::Kind::File:
      break;
  }
  return rule.path;
}

}  // namespace

std::string Parts::name(bool repeated) const { return repeated ? fmt::format("repeat {}, fold {}", repeat, fold) : fmt::format("fold {}", fold); }

std::string SplitPlan::hash(const LabelledSet& set) const {
  Sha256 hash;
  for (size_t s = 0; s < parts.size(); ++s)
    for (const auto* rows : {&parts[s].train, &parts[s].val, &parts[s].test}) {
      hash.update(fmt::format("split {}\n", s));
      for (const int64_t i : *rows) hash.update(set.ids[static_cast<size_t>(i)] + "\n");
    }
  return hash.hex();
}

SplitRule SplitRule::parse(const std::string& text) {
  SplitRule rule;
  if (text == "site_out") return rule.kind = Kind::SiteOut, rule;
  if (text.ends_with(".csv") || std::filesystem::is_directory(text)) return rule.kind = Kind::File, rule.path = text, rule;
  std::string_view rest = text;
  const size_t x = rest.find('x');
  const auto repeats = x == std::string_view::npos ? std::optional<int64_t>(1) : whole(rest.substr(0, x));
  if (x != std::string_view::npos) rest.remove_prefix(x + 1);
  const auto unit = [&](std::string_view word) { return rest.ends_with(word) ? whole(rest.substr(0, rest.size() - word.size())) : std::nullopt; };
  rule.repeats = repeats.value_or(0);
  if (const auto k = unit("fold"); repeats && k) {
    EOSIN_CHECK(*k >= 3, Config, "[splits] '{}' leaves no fold to validate on (need at least 3)", text);
    return rule.kind = Kind::Folds, rule.k = *k, rule;
  }
  if (const auto k = unit("shot"); repeats && k) return rule.kind = Kind::Shots, rule.k = *k, rule;
  for (size_t begin = 0; begin <= rest.size();) {
    const size_t end = std::min(rest.find('/', begin), rest.size());
    rule.shares.push_back(rest.substr(begin, end - begin) == "0" ? 0 : whole(rest.substr(begin, end - begin)).value_or(-1000));
    begin = end + 1;
  }
  const bool parts = rule.shares.size() == 3 && rule.shares[0] > 0 && rule.shares[2] > 0 &&
                     std::accumulate(rule.shares.begin(), rule.shares.end(), int64_t{0}) == 100;
  EOSIN_CHECK(repeats && parts, Config,
              "[splits] '{}' is no rule (need 5fold, 5x10fold, 10x80/10/10, site_out, 8shot, or a CSV or folder of splits that exists)", text);
  return rule.kind = Kind::MonteCarlo, rule;
}

SplitPlan make_splits(const LabelledSet& set, const SplitRule& rule, const SplitOptions& options) {
  if (rule.kind == SplitRule::Kind::File) return read_splits(set, rule.path);
  SplitPlan plan;
  plan.source = words_of(rule, options);
  plan.repeats = rule.repeats;
  if (rule.kind == SplitRule::Kind::Folds) plan.parts = folds(set, rule, options);
  if (rule.kind == SplitRule::Kind::SiteOut) plan.parts = site_out(set, options);
  if (rule.kind == SplitRule::Kind::MonteCarlo) plan.parts = monte_carlo(set, rule, options);
  if (rule.kind == SplitRule::Kind::Shots) plan.parts = shots(set, rule, options);
  return plan;
}

void check_parts(const SplitPlan& plan, bool needs_validation) {
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    EOSIN_CHECK(!plan.parts[s].test.empty(), Data, "[splits] {} has no test rows", plan.name(s));
    EOSIN_CHECK(!plan.parts[s].train.empty(), Data, "[splits] {} has no training rows", plan.name(s));
    EOSIN_CHECK(!plan.parts[s].val.empty() || !needs_validation, Data,
                "[splits] {} has no validation rows; give some, or use train.select=last and threshold=half", plan.name(s));
  }
}

void check_classes_train(const LabelledSet& set, const SplitPlan& plan) {
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const std::vector<int64_t>& train = plan.parts[s].train;
    std::vector<bool> trained(set.classes.size());
    for (const int64_t i : train) trained[static_cast<size_t>(set.target[static_cast<size_t>(i)])] = true;
    for (size_t c = 0; c < trained.size(); ++c)
      EOSIN_CHECK(trained[c], Data, "[splits] {} has no training row of class '{}' ({} rows train); use fewer folds, or leave the class out",
                  plan.name(s), set.classes[c], train.size());
  }
}

}  // namespace eosin::eval
