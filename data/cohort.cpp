#include "data/cohort.h"

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/name_order.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

namespace eosin::data {
namespace {

using Names = std::vector<std::string>;

/// Positions of the columns that the table has.
struct Places {
  std::optional<size_t> slide, patient, site, label, time, event, censored;
  std::vector<size_t> targets, clinical;
};

Places places_of(const CsvTable& table, const CohortOptions& o) {
  const CohortColumns& c = o.columns;
  Places p;
  p.slide = table.choose(c.slide, {"slide", "slide_id", "id", "file", "filename", "path"});
  p.patient = table.choose(c.patient, {"patient", "patient_id", "case", "case_id", "group"});
  p.site = table.choose(c.site, {"site", "centre", "center", "hospital"});
  p.label = table.choose(c.label, {"label", "class", "target"});
  p.time = table.choose(c.time, {"time", "survival_time", "survival_months", "os_time", "days"});
  if (c.censored.empty()) p.event = table.choose(c.event, {"event", "status", "os_event"});
  if (!p.event) p.censored = table.choose(c.censored, {"censored", "censorship"});
  for (const auto& name : o.targets) p.targets.push_back(table.column(name));
  for (const auto& name : c.clinical) p.clinical.push_back(table.column(name));
  return p;
}

void check_columns(const CsvTable& table, const Places& p, Outcome outcome) {
  const auto need = [&](bool there, const char* what, const char* key) {
    EOSIN_CHECK(there, Data, "[{}] no column of {} (has {}); name it as {}", table.where(table.size()), what, fmt::join(table.header(), ", "), key);
  };
  EOSIN_CHECK(table.size() > 0, Data, "[{}] the cohort has no rows", table.where(0));
  need(p.slide.has_value(), "slides", "columns.slide");
  if (outcome == Outcome::Class) need(p.label.has_value(), "classes", "target");
  if (outcome == Outcome::Survival) need(p.time.has_value(), "times", "columns.time");
  if (outcome == Outcome::Survival) need(p.event || p.censored, "events", "columns.event or columns.censored");
}

std::optional<double> number_of(const std::string& cell) {
  double value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (code != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Wrong rows of one kind, reported together.
class Wrong {
 public:
  explicit Wrong(std::string what) : what_(std::move(what)) {}
  void add(const std::string& where, const std::string& got) { rows_.push_back(fmt::format("{} '{}'", where, got)); }
  void check() const { EOSIN_CHECK(rows_.empty(), Data, "[cohort] {}: {}", what_, first_ten(rows_)); }

 private:
  std::string what_;
  Names rows_;
};

struct WrongRows {
  Wrong ids{"a slide or patient without a name"}, label{"label missing or not among the classes"}, time{"the time must be a number above 0"},
      event{"the event must be 0 or 1"}, number{"a target that is no number; leave the cell empty where it is unknown"},
      flag{"a target other than 0 and 1; leave the cell empty where it is unknown"}, clinical{"a clinical value that is no number"};
  void check() const {
    for (const Wrong* w : {&ids, &label, &time, &event, &number, &flag, &clinical}) w->check();
  }
};

/// Characters 6 and 7 of "TCGA-A2-...": the tissue source site.
std::string tcga_site(const std::string& barcode) { return barcode.starts_with("TCGA-") && barcode.size() >= 7 ? barcode.substr(5, 2) : ""; }

bool is_unknown(std::string cell) {
  std::transform(cell.begin(), cell.end(), cell.begin(), [](unsigned char c) { return std::tolower(c); });
  return cell.empty() || cell == "na" || cell == "n/a" || cell == "nan";
}

/// NaN where unknown, or wrong.
double target_of(const std::string& cell, Outcome outcome, const std::string& where, WrongRows& wrong) {
  if (is_unknown(cell)) return NAN;
  const auto value = number_of(cell);
  const bool flag = outcome == Outcome::Flags, fits = value && (!flag || *value == 0 || *value == 1);
  if (!fits) (flag ? wrong.flag : wrong.number).add(where, cell);
  return fits ? *value : NAN;
}

Bag bag_of(const CsvTable& table, size_t row, const Places& p, const CohortOptions& o, WrongRows& wrong) {
  const Names& cells = table.row(row);
  Bag bag;
  bag.where = table.where(row);
  bag.id = cells[*p.slide];
  bag.slides = {bag.id};
  bag.patient = p.patient ? cells[*p.patient] : bag.id;
  if (bag.id.empty() || bag.patient.empty()) wrong.ids.add(bag.where, bag.id);
  bag.site = p.site ? cells[*p.site] : tcga_site(bag.patient);
  if (o.outcome == Outcome::Class) {
    bag.label = cells[*p.label];
    const bool known = o.classes.empty() || std::find(o.classes.begin(), o.classes.end(), bag.label) != o.classes.end();
    if (bag.label.empty() || !known) wrong.label.add(bag.where, bag.label);
  }
  if (o.outcome == Outcome::Survival) {
    const auto time = number_of(cells[*p.time]), event = number_of(cells[p.event ? *p.event : *p.censored]);
    if (!time || *time <= 0) wrong.time.add(bag.where, cells[*p.time]);
    if (!event || (*event != 0 && *event != 1)) wrong.event.add(bag.where, cells[p.event ? *p.event : *p.censored]);
    bag.time = time.value_or(0);
    bag.event = (event.value_or(0) != 0) == p.event.has_value();
  }
  for (const size_t column : p.targets) bag.targets.push_back(target_of(cells[column], o.outcome, bag.where, wrong));
  for (const size_t column : p.clinical) {
    const auto value = number_of(cells[column]);
    if (!value) wrong.clinical.add(bag.where, cells[column]);
    bag.clinical.push_back(value.value_or(0));
  }
  return bag;
}

void check_slides_are_different(const std::vector<Bag>& bags) {
  std::set<std::string> seen;
  Wrong twice("a slide that occurs twice");
  for (const Bag& bag : bags)
    if (!seen.insert(bag.id).second) twice.add(bag.where, bag.id);
  twice.check();
}

bool agree(const Bag& a, const Bag& b) {
  const auto equal = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.label == b.label && a.time == b.time && a.event == b.event && a.clinical == b.clinical && a.site == b.site &&
         std::equal(a.targets.begin(), a.targets.end(), b.targets.begin(), equal);
}

void leave_out_unknown(Cohort& cohort) {
  const auto slides = cohort.bags.size();
  std::erase_if(cohort.bags, [](const Bag& b) { return std::all_of(b.targets.begin(), b.targets.end(), [](double v) { return std::isnan(v); }); });
  EOSIN_CHECK(!cohort.bags.empty(), Data, "[{}] none of the {} slides has a known target ({})", cohort.source, slides,
              fmt::join(cohort.targets, ", "));
  if (const auto left_out = slides - cohort.bags.size(); left_out > 0)
    cohort.notes.push_back(fmt::format("{} slides of which no target is known are left out", left_out));
}

std::vector<Bag> by_patient(const std::vector<Bag>& slides) {
  std::vector<Bag> patients;
  std::map<std::string, size_t> number;
  Wrong differ("slides of one patient differ in label, outcome, site or clinical values; mend the table or use level=slide");
  for (const Bag& slide : slides) {
    const auto [it, fresh] = number.emplace(slide.patient, patients.size());
    if (fresh) {
      patients.push_back(slide);
      patients.back().id = slide.patient;
      continue;
    }
    Bag& patient = patients[it->second];
    if (!agree(patient, slide)) differ.add(patient.where + " and " + slide.where, slide.patient);
    patient.slides.push_back(slide.id);
  }
  differ.check();
  return patients;
}

int64_t patients_with_two_labels(const std::vector<Bag>& bags) {
  std::map<std::string, std::set<std::string>> labels;
  for (const Bag& bag : bags) labels[bag.patient].insert(bag.label);
  return std::count_if(labels.begin(), labels.end(), [](const auto& p) { return p.second.size() > 1; });
}

Names classes_of(const Cohort& cohort, const Names& given) {
  if (!given.empty()) return given;
  std::set<std::string> found;
  for (const Bag& bag : cohort.bags) found.insert(bag.label);
  Names classes(found.begin(), found.end());
  order_names(classes);
  return classes;
}

}  // namespace

std::string first_ten(const std::vector<std::string>& names) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(names.size(), 10));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > 10 ? fmt::format(", ... ({} in all)", names.size()) : "");
}

std::vector<int64_t> Cohort::labels() const {
  std::vector<int64_t> r;
  for (const Bag& bag : bags) r.push_back(std::find(classes.begin(), classes.end(), bag.label) - classes.begin());
  return r;
}

Cohort Cohort::only(const std::vector<int64_t>& wanted) const {
  Cohort r = *this;
  r.bags.clear();
  for (const int64_t b : wanted) r.bags.push_back(bags.at(static_cast<size_t>(b)));
  return r;
}

Cohort read_cohort(const CsvTable& table, const CohortOptions& options) {
  const Places places = places_of(table, options);
  check_columns(table, places, options.outcome);
  Cohort cohort;
  cohort.source = table.where(table.size());
  cohort.outcome = options.outcome;
  WrongRows wrong;
  for (size_t i = 0; i < table.size(); ++i) cohort.bags.push_back(bag_of(table, i, places, options, wrong));
  wrong.check();
  check_slides_are_different(cohort.bags);
  cohort.targets = options.targets;
  if (!cohort.targets.empty()) leave_out_unknown(cohort);
  cohort.has_patients = places.patient.has_value();
  if (!cohort.has_patients) cohort.notes.emplace_back("no column of patients: every slide counts as a patient of its own");
  cohort.has_sites = std::all_of(cohort.bags.begin(), cohort.bags.end(), [](const Bag& b) { return !b.site.empty(); });
  cohort.sites_of_barcodes = !places.site;
  if (const int64_t two = patients_with_two_labels(cohort.bags); two > 0 && options.level == BagLevel::Slide)
    cohort.notes.push_back(fmt::format("{} patients have slides of different labels", two));
  if (options.level == BagLevel::Patient) cohort.bags = by_patient(cohort.bags);
  if (options.outcome == Outcome::Class) {
    cohort.classes = classes_of(cohort, options.classes);
    EOSIN_CHECK(cohort.classes.size() >= 2, Data, "[{}] a single class cannot be told apart (got '{}')", cohort.source, cohort.classes.front());
  }
  if (options.outcome == Outcome::Survival) {
    const bool any = std::any_of(cohort.bags.begin(), cohort.bags.end(), [](const Bag& b) { return b.event == 1; });
    EOSIN_CHECK(any, Data, "[{}] all {} bags are censored; survival needs events", cohort.source, cohort.bags.size());
  }
  return cohort;
}

}  // namespace eosin::data
