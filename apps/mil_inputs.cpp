#include "apps/mil_inputs.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/progress_line.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace eosin::apps {
namespace {

std::pair<data::Cohort, std::unique_ptr<data::BagSource>> open(const MilConfig& c) {
  if (c.features.ends_with(".mat")) return data::open_mil_mat(c.features);
  data::CohortOptions options;
  options.columns = c.columns;
  options.columns.label = c.target;
  options.outcome = c.outcome();
  options.targets = c.targets;
  options.level = c.level == "patient" ? data::BagLevel::Patient : data::BagLevel::Slide;
  options.classes = c.classes;
  data::Cohort cohort = data::read_cohort(CsvTable::read(c.cohort), options);
  auto bags = data::open_feature_bags(c.features, cohort, c.nonfinite == "error" ? data::NonFinite::Refuse : data::NonFinite::DropRow);
  return {std::move(cohort), std::move(bags)};
}

/// Numbers names in the order of their first appearance.
class Numbering {
 public:
  int64_t operator()(const std::string& name) {
    const auto [it, fresh] = known_.emplace(name, static_cast<int64_t>(names_.size()));
    if (fresh) names_.push_back(name);
    return it->second;
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::map<std::string, int64_t> known_;
  std::vector<std::string> names_;
};

/// Strata of like size of the first target, in its order; bags of which it is unknown are in the lowest.
void deal_strata(const data::Cohort& cohort, eval::LabelledSet& set) {
  std::vector<double> known;
  for (const data::Bag& bag : cohort.bags)
    if (!std::isnan(bag.targets[0])) known.push_back(bag.targets[0]);
  std::sort(known.begin(), known.end());
  const size_t wanted = std::clamp<size_t>(known.size() / 10, 2, 4);
  std::set<double> edges;  // of every stratum but the lowest the least value
  for (size_t k = 1; k < wanted && !known.empty(); ++k) edges.insert(known[k * known.size() / wanted]);
  if (!known.empty()) edges.erase(known.front());
  set.classes = {edges.empty() ? cohort.targets[0] : fmt::format("{} < {:.4g}", cohort.targets[0], *edges.begin())};
  for (const double edge : edges) set.classes.push_back(fmt::format("{} >= {:.4g}", cohort.targets[0], edge));
  for (const data::Bag& bag : cohort.bags)
    set.target.push_back(std::count_if(edges.begin(), edges.end(), [&](double edge) { return bag.targets[0] >= edge; }));
}

void add_targets(const data::Cohort& cohort, eval::LabelledSet& set) {
  set.targets = cohort.targets;
  set.number_NT = eval::Matrix(static_cast<int64_t>(cohort.bags.size()), static_cast<int64_t>(cohort.targets.size()));
  for (size_t i = 0; i < cohort.bags.size(); ++i) std::ranges::copy(cohort.bags[i].targets, set.number_NT.row(static_cast<int64_t>(i)).begin());
}

eval::LabelledSet set_of(const data::Cohort& cohort, const data::BagStore& bags) {
  eval::LabelledSet set;
  std::vector<Tensor> means;
  for (const auto& summary : bags.summaries()) means.push_back(summary.mean_D);
  set.features_ND = at::stack(means).to(at::kFloat);
  Numbering patients, sites;
  const bool survival = cohort.outcome == data::Outcome::Survival;
  for (const data::Bag& bag : cohort.bags) {
    set.ids.push_back(bag.id);
    set.group.push_back(patients(bag.patient));
    if (cohort.has_sites) set.site.push_back(sites(bag.site));
    if (survival) set.target.push_back(bag.event);
  }
  set.classes = survival ? std::vector<std::string>{"censored", "event"} : cohort.classes;  // splits are dealt by them
  if (cohort.outcome == data::Outcome::Class) set.target = cohort.labels();
  if (!cohort.targets.empty()) deal_strata(cohort, set), add_targets(cohort, set);
  set.groups = patients.names(), set.sites = sites.names();
  set.sites_of_study = cohort.sites_of_barcodes;
  set.grouped = cohort.has_patients;
  set.unit = "bag";
  return set;
}

mil::Outcomes outcomes_of(const data::Cohort& cohort) {
  mil::Outcomes o;
  if (cohort.outcome == data::Outcome::Class) {
    o.n_classes = static_cast<int64_t>(cohort.classes.size());
    o.label = cohort.labels();
    return o;
  }
  o.targets = cohort.targets;
  for (const data::Bag& bag : cohort.bags) o.values.insert(o.values.end(), bag.targets.begin(), bag.targets.end());
  if (cohort.outcome == data::Outcome::Survival)
    for (const data::Bag& bag : cohort.bags) o.time.push_back(bag.time), o.event.push_back(bag.event);
  return o;
}

Tensor clinical_of(const data::Cohort& cohort) {
  const auto columns = static_cast<int64_t>(cohort.bags.front().clinical.size());
  if (columns == 0) return {};
  std::vector<double> values;
  for (const data::Bag& bag : cohort.bags) values.insert(values.end(), bag.clinical.begin(), bag.clinical.end());
  return at::tensor(values, at::kDouble).view({-1, columns}).to(at::kFloat);
}

std::string words_of(const std::map<std::string, int64_t>& dropped) {
  int64_t tiles = 0;
  std::vector<std::string> slides;
  for (const auto& [slide, n] : dropped) slides.push_back(fmt::format("{} ({})", slide, n)), tiles += n;
  return fmt::format("{} tiles of {} slides have features that are not finite and are left out: {}", tiles, slides.size(), data::first_ten(slides));
}

}  // namespace

MilInputs read_inputs(const MilConfig& c) {
  auto [cohort, source] = open(c);
  data::BagStore::Options options;
  options.memory_bytes = static_cast<int64_t>(c.memory_gib * static_cast<double>(int64_t{1} << 30));
  options.skip_empty = c.skip_empty;
  ProgressLine line("mil", "bags read", source->size());
  options.read = [&](int64_t) { line.add(); };
  MilInputs in;
  in.bags = std::make_unique<data::BagStore>(std::move(source), options);
  const size_t empty = cohort.bags.size() - in.bags->kept().size();
  in.cohort = cohort.only(in.bags->kept());
  if (empty > 0) in.cohort.notes.push_back(fmt::format("{} bags without tiles are left out", empty));
  if (const auto dropped = in.bags->dropped(); !dropped.empty()) in.cohort.notes.push_back(words_of(dropped));
  in.set = set_of(in.cohort, *in.bags);
  in.outcomes = outcomes_of(in.cohort);
  in.clinical_BD = clinical_of(in.cohort);
  return in;
}

}  // namespace eosin::apps
